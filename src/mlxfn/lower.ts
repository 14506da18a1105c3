import { FileError } from "../files/error.js";
import { inferNode } from "../graph/checking/infer.js";
import type { Attributes, Graph, GraphFunction, GraphNode } from "../graph/graph.js";
import { inferTypes } from "../native.js";
import type { TensorType } from "../tensor/dtype.js";
import type { MlxFunctionFile, Step, Trace } from "./file.js";
import { ABSENT } from "./primitives/call.js";
import { loweringOf } from "./primitives/index.js";

/** What the external of a constant is called in the graph of a trace. */
export function constantName(index: number): string {
  return `constant.${index}`;
}

/** The names of a trace's inputs: `arg0`, `arg1`, … by position, then its keywords. */
export function inputNames({ inputs, keywords }: Pick<Trace, "inputs" | "keywords">): string[] {
  const positions = inputs.length - keywords.length;
  return [...Array.from({ length: positions }, (_, index) => `arg${index}`), ...keywords];
}

/**
 * The graph of a trace. Constants of a few bytes are in it; the others are externals, called as {@link constantName}
 * says. Nodes are labelled by their op and a number: `matmul.0`, `matmul.1`. `inputs` are the types of its inputs, which
 * have other sizes than the trace only where the file is shapeless.
 * @throws FileError `file_primitive_unsupported` where no op stands for one of its primitives; GraphError where ops do not take
 * such sizes
 */
export function lowerTrace(
  file: MlxFunctionFile,
  trace: Trace,
  inputs: readonly TensorType[] = trace.inputs,
): Graph {
  return new Lowerer(file, trace, inputs).graph();
}

class Lowerer {
  readonly #nodes: GraphNode[] = [];
  /** The values of the graph for those of the trace. */
  readonly #values: number[] = [];
  /** The types of values of the graph. */
  readonly #types = new Map<number, TensorType>();
  readonly #counts = new Map<string, number>();
  /** Functions that are differentiated, of one op. */
  readonly #functions: GraphFunction[] = [];
  /** Whether no node has the sizes of the trace, and types are inferred. */
  readonly #anySizes: boolean;
  #next: number;

  constructor(
    private readonly file: MlxFunctionFile,
    private readonly trace: Trace,
    private readonly inputs: readonly TensorType[],
  ) {
    this.#anySizes = file.shapeless;
    this.#next = inputs.length;
  }

  graph(): Graph {
    const { inputs } = this;
    const { steps, results } = this.trace;
    this.#values.push(...inputs.keys());
    this.#setTypes([...inputs.keys()], inputs);
    for (const step of steps) {
      if (step.kind === "constant") this.#constant(step.constant);
      else this.#primitive(step);
    }
    const main = {
      name: "main",
      parameters: inputs,
      parameterNames: inputNames(this.trace),
      nodes: this.#nodes,
      results: results.map((result) => this.#values[result] as number),
    };
    return { functions: [main, ...this.#functions] };
  }

  #constant(index: number): void {
    const { type, bytes } = this.file.constants[index] as MlxFunctionFile["constants"][number];
    const attributes = { dtype: type.dtype, shape: type.shape };
    const [value] =
      bytes === undefined
        ? this.#add("external", [], { ...attributes, name: constantName(index) })
        : this.#add("constant", [], { ...attributes, data: bytes });
    this.#define([value as number], [type]);
  }

  #primitive({ name, inputs, state, outputs }: Extract<Step, { kind: "primitive" }>): void {
    const operands = inputs.map((input) => this.#values[input] as number);
    const values = loweringOf(name)?.({
      state,
      inputs: operands,
      inputTypes: operands.map((operand) => this.#typeOf(operand)),
      outputTypes: outputs,
      anySizes: this.#anySizes,
      add: (op, values, attributes = {}, count = 1) =>
        this.#add(op, values, attributes, count, true),
      gradients: (...call) => this.#gradients(...call),
    });
    if (values === undefined || values.length !== outputs.length) {
      throw new FileError(
        "file_primitive_unsupported",
        this.file.path,
        `no op of Davit stands for its primitive ${name}(${describe(state)})`,
        "one that docs/mlxfn.md lists as opened",
      );
    }
    this.#define(values, outputs);
  }

  #add(
    op: string,
    inputs: readonly number[],
    attributes: Attributes,
    outputs = 1,
    labelled = false,
  ): number[] {
    const first = this.#next;
    this.#next += outputs;
    const number = this.#counts.get(op) ?? 0;
    this.#counts.set(op, number + 1);
    const label = labelled ? { label: `${op}.${number}` } : {};
    const node = { op, inputs, attributes, outputs, ...label };
    this.#nodes.push(node);
    const values = Array.from({ length: outputs }, (_, index) => first + index);
    if (this.#anySizes) this.#setTypes(values, this.#infer(node));
    return values;
  }

  #gradients(
    op: string,
    operands: readonly number[],
    attributes: Attributes,
    count: number,
    cotangent: number,
  ): number[] {
    const present = operands.filter((operand) => operand !== ABSENT);
    const inputs = operands.map((operand) => present.indexOf(operand));
    const result = present.length;
    this.#functions.push({
      name: `${op}.${this.#functions.length}`,
      parameters: present.map((operand) => this.#typeOf(operand)),
      nodes: [{ op, inputs, attributes, outputs: 1 }],
      results: [result],
    });
    const wrt = Array.from({ length: count }, (_, index) => index);
    const gradient = { function: this.#functions.length, wrt };
    return this.#add("vjp", [...present, cotangent], gradient, 1 + count, true).slice(1);
  }

  #typeOf(value: number): TensorType {
    return this.#types.get(value) as TensorType;
  }

  #infer(node: GraphNode): readonly TensorType[] {
    const operands = node.inputs.map((value) => this.#types.get(value) ?? null);
    const signature = (index: number) => {
      const { parameters } = this.#functions[index - 1] as GraphFunction;
      // The cotangent has the type of the result.
      return { parameters, results: [operands.at(-1) as TensorType] };
    };
    return inferNode(node, operands, signature, { inferTypes });
  }

  /** Notes which values of the graph the next ones of the trace are, and the types that the file has for them. */
  #define(values: readonly number[], types: readonly TensorType[]): void {
    this.#values.push(...values);
    if (!this.#anySizes) this.#setTypes(values, types);
  }

  #setTypes(values: readonly number[], types: readonly TensorType[]): void {
    for (const [index, value] of values.entries()) {
      this.#types.set(value, types[index] as TensorType);
    }
  }
}

function describe(state: Readonly<Record<string, unknown>>): string {
  return Object.entries(state)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ")
    .slice(0, 200);
}
