import type { Graph, GraphNode } from "../../../src/graph/graph.js";
import { fn, graph, node } from "../../../test/graph/support.js";

export { fn, graph, node };

const f32 = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** A constant of float32. */
export function floatConstant(shape: readonly number[], ...values: number[]): GraphNode {
  return node("constant", [], { dtype: "float32", shape, data: f32(...values) });
}

/** A constant of int32. */
export function intConstant(...values: number[]): GraphNode {
  const data = new Uint8Array(Int32Array.from(values).buffer);
  const shape = values.length === 1 ? [] : [values.length];
  return node("constant", [], { dtype: "int32", shape, data });
}

/** A program of one function. */
export function program(parameters: string[], nodes: GraphNode[], results: number[]): Graph {
  return graph(fn(parameters, nodes, results, "main"));
}

/** A loop that does not end. */
export const ENDLESS: Graph = graph(
  fn(["float32[4]"], [node("while", [0], { predicate: 1, body: 2 })], [1], "main"),
  fn(
    ["float32[4]"],
    [node("sum", [0]), floatConstant([], 1e30), node("less", [1, 2])],
    [3],
    "more",
  ),
  fn(["float32[4]"], [floatConstant([], 1), node("multiply", [0, 1])], [2], "body"),
);
