import { FunctionTable, type TypedBody } from "../autograd/function-table.js";
import { checkAttributes } from "../graph/attributes.js";
import { inferNode } from "../graph/checking/infer.js";
import { GraphError } from "../graph/error.js";
import type { Attributes, Graph, GraphNode } from "../graph/graph.js";
import { customCallKind } from "../graph/ops/custom-call.js";
import { OPS, type OpName } from "../graph/ops/index.js";
import { inferTypes } from "../native.js";
import type { Tensor } from "../native-tensor.js";
import { formatType, type TensorType } from "../tensor/dtype.js";
import { type TensorLike, toBytes } from "../tensor/values.js";
import { Traced } from "./traced.js";

/** A function that a custom call of the program is bound to when it runs. */
export interface Slot {
  /** The custom call's id. */
  readonly id: Uint8Array;
  readonly handler: (...values: never[]) => unknown;
}

interface PendingNode {
  readonly op: string;
  readonly inputs: readonly (Traced | null)[];
  readonly attributes: Attributes;
  readonly outputs: readonly Traced[];
  label: string | undefined;
}

/** Nodes that are no step of a program: nobody would watch them. */
const UNLABELLED: ReadonlySet<string> = new Set(["constant", "external", "call"]);

function noFunctions(): never {
  throw new Error("an op of the table names no function");
}

/** One function while it is traced. */
export class FunctionBuilder {
  readonly parameters: Traced[] = [];
  /** Values of the parent that this function uses, and what they are called here. */
  readonly captures = new Map<Traced, Traced>();
  readonly nodes: PendingNode[] = [];
  readonly #externals = new Map<Tensor, Traced>();

  constructor(
    readonly context: TraceContext,
    readonly name: string,
    readonly parent: FunctionBuilder | undefined,
    /** Its number in the table. */
    readonly index: number,
  ) {}

  parameter(type: TensorType): Traced {
    const traced = new Traced(this, type);
    this.parameters.push(traced);
    return traced;
  }

  /** A value as this function sees it: its own, or one of an enclosing function, which becomes an operand. */
  use(value: Traced): Traced {
    if (value.builder === this) return value;
    const known = this.captures.get(value);
    if (known !== undefined) return known;
    if (this.parent === undefined) {
      throw new GraphError(
        "value_escaped",
        `a traced ${formatType(value.type)} is used outside the function that made it`,
        { expected: "a value of this function or of one around it" },
      );
    }
    const outer = this.parent.use(value);
    const inner = this.captures.get(outer) ?? new Traced(this, value.type);
    this.captures.set(outer, inner);
    this.captures.set(value, inner);
    return inner;
  }

  /** Values of the parent that become operands, in the order of their first use. */
  capturedFromParent(): Traced[] {
    return [...this.captures.keys()].filter((value) => value.builder === this.parent);
  }

  constant(value: TensorLike, type: TensorType): Traced {
    const attributes = { dtype: type.dtype, shape: type.shape, data: toBytes(value, type) };
    return this.add("constant", [], attributes, [type])[0] as Traced;
  }

  /** A tensor that exists: an external of the program's first function, which functions inside get as an operand. */
  captured(tensor: Tensor): Traced {
    if (this.parent !== undefined) return this.use(this.parent.captured(tensor));
    const known = this.#externals.get(tensor);
    if (known !== undefined) return known;
    const { dtype, shape } = tensor.type;
    const name = this.context.capture(tensor);
    const made = this.add("external", [], { dtype, shape, name }, [tensor.type])[0] as Traced;
    this.#externals.set(tensor, made);
    return made;
  }

  /** An op of the table: its types are asked of MLX. */
  call(op: OpName, inputs: readonly (Traced | null)[], attributes: Attributes): Traced[] {
    const own = inputs.map((input) => (input === null ? null : this.use(input)));
    const types = own.map((input) => input?.type ?? null);
    const label = this.context.labelFor(op);
    checkAttributes(OPS[op], attributes, { op, label, inputs: types });
    const node = { op, attributes, ...(label === undefined ? {} : { label }) };
    return this.add(op, own, attributes, inferNode(node, types, noFunctions, { inferTypes }));
  }

  /** A node whose types are known. */
  add(
    op: string,
    inputs: readonly (Traced | null)[],
    attributes: Attributes,
    types: readonly TensorType[],
  ): Traced[] {
    const outputs = types.map((type) => new Traced(this, type));
    // A hook in a scope is called by its own name there.
    const kind = customCallKind({ op });
    const own = typeof attributes.name === "string" && kind !== undefined ? attributes.name : op;
    const label = UNLABELLED.has(op) ? undefined : this.context.labelFor(own);
    this.nodes.push({ op, inputs, attributes, outputs, label });
    return outputs;
  }

  /** Names the node that made a value. */
  labelMaker(value: Traced, label: string): void {
    const maker = this.nodes.findLast((node) => node.outputs.includes(value));
    if (maker !== undefined) maker.label = label;
  }

  /** The finished function. `captures` are the operands beyond its parameters, of the parent, in order. */
  finish(results: readonly Traced[], captures: readonly Traced[] = []): TypedBody {
    const numbers = new Map<Traced, number>();
    const number = (value: Traced) => numbers.set(value, numbers.size);
    const captured = captures.map(
      (outer) => this.captures.get(outer) ?? new Traced(this, outer.type),
    );
    const parameters = [...this.parameters, ...captured];
    parameters.forEach(number);
    const nodes = this.nodes.map((node): GraphNode => {
      const inputs = node.inputs.map((input) =>
        input === null ? -1 : (numbers.get(input) as number),
      );
      node.outputs.forEach(number);
      const { op, attributes, label } = node;
      const outputs = node.outputs.length;
      return label === undefined
        ? { op, inputs, attributes, outputs }
        : { op, inputs, attributes, outputs, label };
    });
    return {
      name: this.name,
      parameters: parameters.map((parameter) => parameter.type),
      values: [...numbers.keys()].map((value) => value.type),
      nodes,
      results: results.map((result) => numbers.get(result) as number),
    };
  }
}

/** A program while it is traced: its functions, labels, captured tensors and bound functions. */
export class TraceContext {
  /** The trace under way: tracing is synchronous, so there is one at a time, or one inside another. */
  static current: TraceContext | undefined;

  /** The name of the function that is traced. */
  name = "";
  readonly functions = new FunctionTable();
  readonly captures = new Map<string, Tensor>();
  readonly slots: Slot[] = [];
  readonly #names = new Map<Tensor, string>();
  readonly #labels: string[] = [];
  #builder: FunctionBuilder | undefined;

  /** The function under way. */
  get builder(): FunctionBuilder {
    return this.#builder as FunctionBuilder;
  }

  /** Begins a function inside the one under way. */
  begin(name: string): FunctionBuilder {
    const parent = this.#builder;
    return new FunctionBuilder(this, name, parent, this.functions.reserve());
  }

  /** Runs a part of the trace in a function. */
  inside<T>(builder: FunctionBuilder, part: () => T): T {
    const outer = this.#builder;
    this.#builder = builder;
    try {
      return part();
    } finally {
      this.#builder = outer;
    }
  }

  /** The path of a label scope. */
  scoped<T>(label: string, part: (path: string) => T): T {
    this.#labels.push(label);
    try {
      return part(this.#labels.join("."));
    } finally {
      this.#labels.pop();
    }
  }

  labelFor(op: string): string | undefined {
    return this.#labels.length === 0 ? undefined : `${this.#labels.join(".")}.${op}`;
  }

  /** Returns the name of the external that stands for a captured tensor: `capture.0`, `capture.1`, ... */
  capture(tensor: Tensor): string {
    const known = this.#names.get(tensor);
    if (known !== undefined) return known;
    const name = `capture.${this.#names.size}`;
    this.#names.set(tensor, name);
    this.captures.set(name, tensor);
    return name;
  }

  graph(): Graph {
    return this.functions.graph();
  }
}

/**
 * The trace under way.
 * @throws GraphError `trace_missing`
 */
export function currentTrace(what: string): TraceContext {
  if (TraceContext.current === undefined) {
    throw new GraphError("trace_missing", `${what} was called outside a traced function`, {
      expected: "a call inside the function given to engine.jit or trace",
    });
  }
  return TraceContext.current;
}
