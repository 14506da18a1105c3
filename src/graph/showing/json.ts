import type { TypedFunction } from "../checking/infer.js";
import { graphHash } from "../encoding/canonical.js";
import type { Graph } from "../graph.js";
import { describeGraph } from "./describe.js";

/**
 * A graph as plain data for `JSON.stringify`: `{hash, functions: [{name, parameters, nodes, results}]}`. Types are text; a
 * parameter has a `name` where the graph has one; attributes are text as `printGraph` writes them, and functions
 * are named by their index.
 */
export function graphToJson(graph: Graph, types?: readonly TypedFunction[]): object {
  const functions = describeGraph(graph, types).map((item) => ({
    name: item.name,
    parameters: item.parameters,
    nodes: item.nodes.map(({ index: _index, attributes, calls, ...node }) => ({
      ...node,
      attributes: Object.fromEntries(attributes),
      functions: Object.fromEntries(calls),
    })),
    results: item.results,
  }));
  return { hash: graphHash(graph), functions };
}
