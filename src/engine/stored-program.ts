import { deserialize, serialize } from "node:v8";
import type { TypedFunction } from "../graph/checking/infer.js";
import { encodeGraph } from "../graph/encoding/canonical.js";
import type { Graph } from "../graph/graph.js";
import { byteLength, formatType, type TensorType } from "../tensor/dtype.js";

/** A program as the store keeps it. */
export interface StoredProgram {
  /** The canonical bytes of its graph. */
  readonly bytes: Uint8Array;
  /** The graph that they are, which was checked. */
  readonly graph: Graph;
  /** The types of the graph's values. */
  readonly typed: readonly TypedFunction[];
  /** What whoever kept it needs to use it. */
  readonly note: Uint8Array;
}

/**
 * Writes a program: {@link decodeProgram} reads it. V8's form of a value is read ten times faster than the canonical bytes are; nobody else than this
 * user can have written what is read.
 */
export function encodeProgram(
  { graph, typed }: Pick<StoredProgram, "graph" | "typed">,
  note: Uint8Array,
): Uint8Array {
  const known = new Map<string, TensorType>();
  // An object that is used often is written once.
  const once = (type: TensorType): TensorType => {
    const text = formatType(type);
    const same = known.get(text) ?? type;
    known.set(text, same);
    return same;
  };
  const stored: StoredProgram = {
    bytes: encodeGraph(graph),
    graph,
    typed: typed.map(({ values, results }) => ({
      values: values.map(once),
      results: results.map(once),
    })),
    note,
  };
  return serialize(stored);
}

/** Reads what {@link encodeProgram} wrote. @throws Error where it is something else */
export function decodeProgram(data: Uint8Array): StoredProgram {
  return deserialize(data) as StoredProgram;
}

/** Tells whether no value is larger than the limit. */
export function valuesFit(typed: readonly TypedFunction[], valueBytes: number): boolean {
  const types = new Set(typed.flatMap(({ values }) => values));
  return [...types].every((type) => byteLength(type) <= valueBytes);
}
