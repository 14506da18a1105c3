import { FileError } from "../files/error.js";
import type { Attributes, Graph, GraphNode } from "../graph/graph.js";
import type { TensorType } from "../tensor/dtype.js";
import type { MlxFunctionFile, Step, Trace } from "./file.js";
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
 * says. Nodes are labelled by their op and a number: `matmul.0`, `matmul.1`.
 * @throws FileError `file_primitive_unsupported` where no op stands for one of its primitives
 */
export function lowerTrace(file: MlxFunctionFile, trace: Trace): Graph {
  return new Lowerer(file, trace).graph();
}

class Lowerer {
  readonly #nodes: GraphNode[] = [];
  /** The values of the graph for those of the trace, and their types. */
  readonly #values: number[] = [];
  readonly #types: TensorType[] = [];
  readonly #counts = new Map<string, number>();
  #next: number;

  constructor(
    private readonly file: MlxFunctionFile,
    private readonly trace: Trace,
  ) {
    this.#next = trace.inputs.length;
  }

  graph(): Graph {
    const { inputs, steps, results } = this.trace;
    for (const [index, type] of inputs.entries()) this.#define([index], [type]);
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
    return { functions: [main] };
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
    const values = loweringOf(name)?.({
      state,
      inputs: inputs.map((input) => this.#values[input] as number),
      inputTypes: inputs.map((input) => this.#types[input] as TensorType),
      outputTypes: outputs,
      add: (op, operands, attributes = {}, count = 1) =>
        this.#add(op, operands, attributes, count, true),
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
    this.#nodes.push({ op, inputs, attributes, outputs, ...label });
    return Array.from({ length: outputs }, (_, index) => first + index);
  }

  #define(values: readonly number[], types: readonly TensorType[]): void {
    this.#values.push(...values);
    this.#types.push(...types);
  }
}

function describe(state: Readonly<Record<string, unknown>>): string {
  return Object.entries(state)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ")
    .slice(0, 200);
}
