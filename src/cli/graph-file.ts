import { readFile } from "node:fs/promises";
import { fromSystem } from "../files/error.js";
import { decodeGraph } from "../graph/canonical.js";
import { GraphError } from "../graph/error.js";
import type { Graph } from "../graph/graph.js";
import { UsageError } from "./command.js";

/** Reads a graph file: canonical bytes, as `encodeGraph` makes them. */
export async function readGraph(path: string): Promise<Graph> {
  try {
    return decodeGraph(await readFile(path));
  } catch (error) {
    if (error instanceof GraphError) {
      throw new GraphError(error.code, `${path}: ${error.reason}`, error.details);
    }
    throw fromSystem(error, path);
  }
}

/** The types of a program's parameters. */
export function parametersOf(graph: Graph): Graph["functions"][number]["parameters"] {
  const entry = graph.functions[0];
  if (entry === undefined) throw new UsageError("the graph has no functions");
  return entry.parameters;
}
