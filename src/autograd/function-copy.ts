import { customCallKind } from "../graph/ops/custom-call.js";
import type { TensorType } from "../tensor/dtype.js";
import type { PlacedNode } from "./derivative-parts.js";
import type { FunctionTable, TypedBody } from "./function-table.js";
import { FunctionWriter } from "./function-writer.js";

/** A function that is made along another one, and what the other's values are in it. */
export class FunctionCopy {
  readonly writer: FunctionWriter;
  readonly #values: number[] = [];

  constructor(
    table: FunctionTable,
    readonly source: TypedBody,
    suffix: string,
    /** The source's values that are parameters here. */
    parameters: readonly number[] = source.parameters.map((_type, index) => index),
  ) {
    this.writer = new FunctionWriter(table, `${source.name}.${suffix}`);
    this.set(parameters, this.writer.parameters(this.types(parameters)));
  }

  /** The values here that stand for those of the source. */
  values(sources: readonly number[]): number[] {
    return sources.map((value) => (value < 0 ? value : (this.#values[value] as number)));
  }

  type(source: number): TensorType {
    return this.source.values[source] as TensorType;
  }

  types(sources: readonly number[]): TensorType[] {
    return sources.map((value) => this.type(value));
  }

  set(sources: readonly number[], made: readonly number[]): void {
    sources.forEach((value, index) => {
      this.#values[value] = made[index] as number;
    });
  }

  /** Copies a node. A hook that is left out is replaced by its operands. */
  add({ node, outputs }: PlacedNode, withoutHooks: boolean): void {
    const inputs = this.values(node.inputs);
    const kind = customCallKind(node);
    const skip = withoutHooks && kind !== undefined && kind !== "callback";
    const { op, attributes, label } = node;
    this.set(
      outputs,
      skip ? inputs : this.writer.add(op, inputs, attributes, this.types(outputs), label),
    );
  }
}
