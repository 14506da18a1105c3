import type { TypedFunction } from "../graph/checking/infer.js";
import type { Graph } from "../graph/graph.js";
import { byteLength, type TensorType } from "../tensor/dtype.js";

/**
 * The kept types of a graph with the types of its results; undefined where they are not as many as its values, or one is larger than the limit, so that
 * whoever infers them finds the error.
 */
export function keptTypes(
  graph: Graph,
  typed: readonly TypedFunction[],
  valueBytes: number,
): TypedFunction[] | undefined {
  if (typed.length !== graph.functions.length) return undefined;
  const sized = new Map<TensorType, boolean>();
  const fits = (type: TensorType) => {
    const known = sized.get(type) ?? byteLength(type) <= valueBytes;
    sized.set(type, known);
    return known;
  };
  const whole: TypedFunction[] = [];
  for (const [index, { parameters, nodes, results }] of graph.functions.entries()) {
    const values = typed[index]?.values ?? [];
    const count = nodes.reduce((sum, { outputs }) => sum + outputs, parameters.length);
    if (values.length !== count || !values.every(fits)) return undefined;
    whole.push({ values, results: results.map((value) => values[value] as TensorType) });
  }
  return whole;
}
