import type { Graph, GraphFunction } from "../../src/graph/graph.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import type { Body, Recipe } from "./recipe.js";
import { numbering, typeOf } from "./refs.js";
import { wrapped } from "./wrap.js";

/** A function with the types of its results, which a graph does not say. */
export interface Typed {
  readonly parameters: readonly TensorType[];
  readonly nodes: GraphFunction["nodes"];
  readonly results: readonly number[];
  readonly types: readonly TensorType[];
}

/** The graph of a recipe. */
export function buildGraph({ body, wraps }: Pick<Recipe, "body" | "wraps">): Graph {
  // The innermost first; a graph has the outermost first, and a function refers only to later ones.
  const functions: Typed[] = [straight(body)];
  for (const wrap of wraps)
    functions.push(...wrapped(wrap, functions.at(-1) as Typed, functions.length));
  const last = functions.length - 1;
  return {
    functions: functions
      .map(({ parameters, nodes, results }, index) => ({
        name: index === last ? "main" : `f${last - index}`,
        parameters,
        nodes: nodes.map((node) => renumbered(node, last)),
        results,
      }))
      .reverse(),
  };
}

function straight(body: Body): Typed {
  const number = numbering(body);
  return {
    parameters: body.parameters,
    nodes: body.nodes.map(({ op, inputs, attributes, types, label }) => ({
      op,
      inputs: inputs.map((ref) => (ref === null ? -1 : number(ref))),
      attributes,
      outputs: types.length,
      ...(label === undefined ? {} : { label }),
    })),
    results: body.results.map(number),
    types: body.results.map((ref) => typeOf(body, ref)),
  };
}

const FUNCTIONS = ["function", "then", "else", "body", "predicate"];

/** A node whose functions are counted from the innermost, as one of the graph, which counts from the outermost. */
function renumbered(node: GraphFunction["nodes"][number], last: number): typeof node {
  const attributes = { ...node.attributes };
  for (const name of FUNCTIONS) {
    const value = attributes[name];
    if (typeof value === "number") attributes[name] = last - value;
  }
  if (Array.isArray(attributes.branches)) {
    attributes.branches = (attributes.branches as number[]).map((branch) => last - branch);
  }
  return { ...node, attributes };
}
