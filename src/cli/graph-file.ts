import { readRegular } from "../files/open.js";
import { validateGraph } from "../graph/checking/validate.js";
import { decodeGraph } from "../graph/encoding/canonical.js";
import { GraphError } from "../graph/error.js";
import type { Graph } from "../graph/graph.js";

/** Reads and checks a graph file: canonical bytes, as `encodeGraph` makes them. */
export async function readGraph(path: string): Promise<Graph> {
  const bytes = await readRegular(path);
  try {
    const graph = decodeGraph(bytes);
    validateGraph(graph);
    return graph;
  } catch (error) {
    if (error instanceof GraphError) {
      throw new GraphError(error.code, `${path}: ${error.reason}`, error.details);
    }
    throw error;
  }
}
