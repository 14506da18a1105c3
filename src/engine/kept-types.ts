import type { TypedFunction } from "../graph/checking/infer.js";
import type { Graph } from "../graph/graph.js";
import { byteLength, type TensorType } from "../tensor/dtype.js";

/** The types of all values of a graph, function by function. */
export type KeptTypes = readonly (readonly TensorType[])[];

/**
 * A graph's kept types as inferring would give them; undefined where they are not as many as its values, or one is larger than the limit: who infers
 * them then finds the error.
 */
export function typedByKept(
  graph: Graph,
  kept: KeptTypes,
  valueBytes: number,
): TypedFunction[] | undefined {
  if (kept.length !== graph.functions.length) return undefined;
  const sized = new Map<TensorType, boolean>();
  const fits = (type: TensorType) => {
    const known = sized.get(type) ?? byteLength(type) <= valueBytes;
    sized.set(type, known);
    return known;
  };
  const whole: TypedFunction[] = [];
  for (const [index, { parameters, nodes, results }] of graph.functions.entries()) {
    const values = kept[index] ?? [];
    const count = nodes.reduce((sum, { outputs }) => sum + outputs, parameters.length);
    if (values.length !== count || !values.every(fits)) return undefined;
    whole.push({ values, results: results.map((value) => values[value] as TensorType) });
  }
  return whole;
}
