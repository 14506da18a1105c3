import type { TensorType } from "../tensor/dtype.js";
import { withFunctions } from "./callees.js";
import {
  isHook,
  needed,
  notDifferentiable,
  type PlacedNode,
  placeNodes,
  target,
} from "./derivative-parts.js";
import type { FunctionTable, TypedBody } from "./function-table.js";
import { FunctionWriter } from "./function-writer.js";

/** A straight part of a function as a function of its own. */
export interface Chunk {
  readonly index: number;
  /** The values of the whole function that are its arguments. */
  readonly inputs: readonly number[];
}

/** Functions that one derivative is made of; each is made once. */
export class Derivatives {
  readonly #silent = new Map<number, number>();
  readonly #made = new Map<string, number>();
  /** Functions without hooks and prints; what watches gradients in them is meant to be there. */
  readonly #finished = new Set<number>();

  constructor(readonly table: FunctionTable) {}

  /** Makes a function, or finds it where it was made before; it stays as it is. */
  once(key: string, make: () => number): number {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = this.keep(make());
    this.#made.set(key, made);
    return made;
  }

  /** Notes that a function is to stay as it is. */
  keep(index: number): number {
    this.#finished.add(index);
    return index;
  }

  /** A function without the hooks in it, to compute its values again. */
  silent(index: number): number {
    if (this.#finished.has(index)) return index;
    const known = this.#silent.get(index);
    if (known !== undefined) return known;
    const source = this.table.get(index);
    const writer = new FunctionWriter(this.table, `${source.name}.again`);
    const values = writer.parameters(source.parameters);
    for (const placed of placeNodes(source)) copyNode(writer, source, values, placed, true);
    const made = this.finishSilent(
      writer,
      source.results.map((result) => values[result] as number),
      source,
    );
    this.#silent.set(index, made);
    return made;
  }

  /** Finishes a function that computes values again: without what no result needs, without hooks in its callees. */
  finishSilent(writer: FunctionWriter, results: readonly number[], source: TypedBody): number {
    return writer.finishNeeded(results, (node) => {
      if (target(node) === "call") {
        const reason = "no call in a loop or branch that is differentiated: it would be made twice";
        throw notDifferentiable(source, node, reason);
      }
      const { label: _, ...rest } = withFunctions(node, (callee) => this.silent(callee));
      return rest;
    });
  }

  /** The part of a straight part that some of its values need. `gradients`: with what watches gradients. */
  chunk(
    source: TypedBody,
    nodes: readonly PlacedNode[],
    outs: readonly number[],
    gradients: boolean,
  ): Chunk {
    const { nodes: kept, inputs } = needed(nodes, outs);
    const writer = new FunctionWriter(this.table, `${source.name}.part`);
    const values: number[] = [];
    for (const input of inputs) {
      values[input] = writer.parameter(source.values[input] as TensorType);
    }
    for (const placed of kept) {
      const node = withFunctions(placed.node, (callee) => this.silent(callee));
      // Labels stay with the nodes that compute first, or a probe would see values twice.
      const { label: _, ...rest } = node;
      copyNode(writer, source, values, { ...placed, node: rest }, !gradients);
    }
    return { index: this.keep(writer.finish(outs.map((out) => values[out] as number))), inputs };
  }
}

/** Copies a node into a function; `values` maps values and grows. Where hooks are left out, their operands take their place. */
export function copyNode(
  writer: FunctionWriter,
  source: TypedBody,
  values: number[],
  { node, outputs }: PlacedNode,
  withoutHooks: boolean,
): void {
  const inputs = node.inputs.map((value) => (value < 0 ? value : (values[value] as number)));
  const skip = withoutHooks && (isHook(node) || target(node) === "hook_gradient");
  const { op, attributes, label } = node;
  const types = outputs.map((value) => source.values[value] as TensorType);
  const made = skip ? inputs : writer.add(op, inputs, attributes, types, label);
  outputs.forEach((value, index) => {
    values[value] = made[index] as number;
  });
}
