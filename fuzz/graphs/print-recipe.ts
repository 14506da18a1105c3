import type { Graph } from "../../src/graph/graph.js";
import { literal } from "../literal.js";
import { buildGraph } from "./build.js";
import type { Recipe } from "./recipe.js";
import { programInputs } from "./run-graph.js";

/** A recipe as an entry of test/fuzz/found.ts. */
export function printRecipe(recipe: Recipe): string {
  const graph = buildGraph(recipe);
  const inputs = programInputs(graph.functions[0]?.parameters ?? [], recipe.fills);
  const lines = [
    "    graph: {",
    "      functions: [",
    ...graph.functions.flatMap(printFunction),
    "      ],",
    "    },",
    `    inputs: ${literal(inputs.map(({ bytes }) => bytes))},`,
    ...(recipe.subscriptions.length === 0
      ? []
      : [`    subscriptions: ${literal(recipe.subscriptions)},`]),
  ];
  return lines.join("\n");
}

function printFunction({ name, parameters, nodes, results }: Graph["functions"][number]): string[] {
  return [
    "        {",
    `          name: ${literal(name)},`,
    `          parameters: ${literal(parameters)},`,
    "          nodes: [",
    ...nodes.map((node) => `            ${literal(node)},`),
    "          ],",
    `          results: ${literal(results)},`,
    "        },",
  ];
}
