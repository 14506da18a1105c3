import { functionsOf } from "../callees.js";
import { GraphError } from "../error.js";
import type { Graph, GraphFunction, GraphNode } from "../graph.js";
import type { GraphLimits } from "../limits.js";

/**
 * Holds what all functions of a graph have together against the limits: a graph of few bytes can have a great many
 * values, as a node says only how many outputs it has. Expects functions that are valid one by one.
 * @throws GraphError `limit_exceeded`
 */
export function checkTotals(graph: Graph, limits: GraphLimits): void {
  let values = 0;
  let items = 0;
  for (const { parameters, nodes, results } of graph.functions) {
    values += parameters.length;
    items += parameters.length + nodes.length + results.length;
    for (const node of nodes) {
      values += node.outputs;
      items += node.inputs.length + listedItems(node);
    }
  }
  checkTotal(values, limits.values, "values");
  checkTotal(items, limits.items, "items in its lists");
  checkTotal(expandedValues(graph), limits.expandedValues, "operands and outputs once inlined");
}

/** The items of a node's attributes that are lists. */
function listedItems({ attributes }: GraphNode): number {
  let items = 0;
  for (const value of Object.values(attributes)) if (Array.isArray(value)) items += value.length;
  return items;
}

/** Operands and outputs of the program's nodes when every use of a function counts anew. */
function expandedValues(graph: Graph): number {
  const sizes: number[] = [];
  for (let index = graph.functions.length - 1; index >= 0; index--) {
    const { nodes } = graph.functions[index] as GraphFunction;
    let size = 0;
    for (const node of nodes) {
      size += node.inputs.length + node.outputs;
      for (const callee of functionsOf(node)) size += sizes[callee] as number;
    }
    sizes[index] = size;
  }
  return sizes[0] as number;
}

function checkTotal(count: number, limit: number, what: string): void {
  if (count <= limit) return;
  throw new GraphError("limit_exceeded", `the graph has ${count} ${what}`, {
    expected: `at most ${limit}`,
  });
}
