import type { Attributes, GraphNode } from "../graph/graph.js";
import type { TensorType } from "../tensor/dtype.js";
import type { FunctionTable } from "./function-table.js";

/** Writes a function node by node; values are named by their numbers. */
export class FunctionWriter {
  readonly #parameters: TensorType[] = [];
  readonly #values: TensorType[] = [];
  readonly #nodes: GraphNode[] = [];

  constructor(
    readonly table: FunctionTable,
    readonly name: string,
  ) {}

  /** Parameters come before nodes. */
  parameter(type: TensorType): number {
    this.#parameters.push(type);
    return this.#values.push(type) - 1;
  }

  parameters(types: readonly TensorType[]): number[] {
    return types.map((type) => this.parameter(type));
  }

  typeOf(value: number): TensorType {
    return this.#values[value] as TensorType;
  }

  add(
    op: string,
    inputs: readonly number[],
    attributes: Attributes,
    types: readonly TensorType[],
    label?: string,
  ): number[] {
    const outputs = types.length;
    this.#nodes.push({
      op,
      inputs,
      attributes,
      outputs,
      ...(label === undefined ? {} : { label }),
    });
    return types.map((type) => this.#values.push(type) - 1);
  }

  zeros({ dtype, shape }: TensorType): number {
    return this.add("zeros", [], { shape, dtype }, [{ dtype, shape }])[0] as number;
  }

  sum(a: number, b: number): number {
    return this.add("add", [a, b], {}, [this.typeOf(a)])[0] as number;
  }

  /** Calls a function of the table. */
  call(callee: number, operands: readonly number[]): number[] {
    return this.add("call", operands, { function: callee }, this.table.signature(callee).results);
  }

  /** Adds the function to its table. Returns its number there. */
  finish(results: readonly number[]): number {
    return this.table.add({
      name: this.name,
      parameters: this.#parameters,
      values: this.#values,
      nodes: this.#nodes,
      results,
    });
  }

  /** The same without the nodes that no result needs; what remains is passed through `change`. */
  finishNeeded(results: readonly number[], change: (node: GraphNode) => GraphNode): number {
    const needed = new Set(results);
    let next = this.#values.length;
    const kept = this.#nodes.map(() => false);
    for (let index = this.#nodes.length - 1; index >= 0; index--) {
      const node = this.#nodes[index] as GraphNode;
      next -= node.outputs;
      kept[index] = Array.from({ length: node.outputs }, (_, k) => next + k).some((value) =>
        needed.has(value),
      );
      if (kept[index]) for (const input of node.inputs) needed.add(input);
    }
    const writer = new FunctionWriter(this.table, this.name);
    const numbers = new Map(
      writer.parameters(this.#parameters).map((number, index) => [index, number]),
    );
    numbers.set(-1, -1);
    const at = (value: number) => numbers.get(value) as number;
    next = this.#parameters.length;
    this.#nodes.forEach((node, index) => {
      const types = this.#values.slice(next, next + node.outputs);
      if (kept[index]) {
        const { op, attributes, label } = change(node);
        writer.add(op, node.inputs.map(at), attributes, types, label).forEach((number, output) => {
          numbers.set(next + output, number);
        });
      }
      next += node.outputs;
    });
    return writer.finish(results.map(at));
  }
}
