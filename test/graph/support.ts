import { GraphError } from "../../src/graph/error.js";
import type { Attributes, Graph, GraphFunction, GraphNode } from "../../src/graph/graph.js";
import type { TensorType } from "../../src/tensor/dtype.js";

/** A type from MLX's notation: `float32[2, 3]`, `bool[]`. */
export function type(text: string): TensorType {
  const [, dtype, sizes] = /^(\w+)\[(.*)\]$/.exec(text) as RegExpExecArray;
  const shape = sizes === "" ? [] : (sizes as string).split(",").map(Number);
  return { dtype, shape } as TensorType;
}

export function node(
  op: string,
  inputs: number[] = [],
  attributes: Attributes = {},
  more: Partial<GraphNode> = {},
): GraphNode {
  return { op, inputs, attributes, outputs: 1, ...more };
}

/** A function from the types of its parameters, its nodes and its results. */
export function fn(
  parameters: string[],
  nodes: GraphNode[],
  results: number[] = [],
  name = "f",
): GraphFunction {
  return { name, parameters: parameters.map(type), nodes, results };
}

export function graph(...functions: GraphFunction[]): Graph {
  return { functions };
}

/** The GraphError that something throws. */
export function thrown(work: () => unknown): GraphError {
  try {
    work();
  } catch (error) {
    if (error instanceof GraphError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
