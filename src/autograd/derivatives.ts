import { withFunctions } from "../graph/callees.js";
import { customCallKind } from "../graph/ops/custom-call.js";
import { needed, notDifferentiable, type PlacedNode, placeNodes } from "./derivative-parts.js";
import { FunctionCopy } from "./function-copy.js";
import type { FunctionTable, TypedBody } from "./function-table.js";

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
  /** Functions without hooks and prints; hooks of gradients in them stay. */
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
    const copy = new FunctionCopy(this.table, source, "again");
    for (const placed of placeNodes(source)) copy.add(placed, true);
    const made = this.finishSilent(copy, copy.values(source.results));
    this.#silent.set(index, made);
    return made;
  }

  /** Finishes a function that computes values again: without what no result needs, without hooks in its callees. */
  finishSilent({ writer, source }: FunctionCopy, results: readonly number[]): number {
    return writer.finishNeeded(results, (node) => {
      if (customCallKind(node) === "callback") {
        const reason = "no call in a loop or branch that is differentiated: it would be made twice";
        throw notDifferentiable(source, node, reason);
      }
      const { label: _, ...rest } = withFunctions(node, (callee) => this.silent(callee));
      return rest;
    });
  }

  /** The part of a straight part that some of its values need. `gradients`: with hooks of gradients. */
  chunk(
    source: TypedBody,
    nodes: readonly PlacedNode[],
    outs: readonly number[],
    gradients: boolean,
  ): Chunk {
    const { nodes: kept, inputs } = needed(nodes, outs);
    const copy = new FunctionCopy(this.table, source, "part", inputs);
    for (const { node, outputs } of kept) {
      // Labels stay with the nodes that compute first, or a probe would see values twice.
      const { label: _, ...rest } = withFunctions(node, (callee) => this.silent(callee));
      copy.add({ node: rest, outputs }, !gradients);
    }
    return { index: this.keep(copy.writer.finish(copy.values(outs))), inputs };
  }
}
