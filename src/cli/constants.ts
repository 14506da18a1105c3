import { openSafetensors, readSafetensor } from "../files/safetensors.js";
import { hashBytes } from "../graph/canonical.js";
import type { Graph } from "../graph/graph.js";
import { UsageError } from "./command.js";
import type { InputSource } from "./inputs.js";

/**
 * Finds the constants that a graph names by the hash of their bytes among the tensors of .safetensors files.
 * Tensors are read once to be hashed, and again by the engine, which keeps only those that are used.
 */
export async function findConstants(
  graph: Graph,
  paths: readonly string[],
): Promise<Map<string, InputSource>> {
  const missing = constantHashes(graph);
  const found = new Map<string, InputSource>();
  for (const path of paths) {
    const opened = await openSafetensors(path);
    for (const [name, range] of opened.tensors) {
      if (missing.size === 0) return found;
      const { bytes } = await readSafetensor(opened, name);
      const hash = hashBytes(bytes);
      if (missing.delete(hash)) found.set(hash, { kind: "range", path, range });
    }
  }
  if (missing.size > 0) {
    const [first] = missing;
    throw new UsageError(
      `${missing.size} constants of the graph are in no file given with --constants; the first has the SHA-256 ${first}`,
    );
  }
  return found;
}

/** The hashes of all constants that are not inline, in hex. */
function constantHashes(graph: Graph): Set<string> {
  const hashes = new Set<string>();
  for (const { nodes } of graph.functions) {
    for (const { attributes } of nodes.filter((node) => node.op === "constant")) {
      if (attributes.hash instanceof Uint8Array) {
        hashes.add(Buffer.from(attributes.hash).toString("hex"));
      }
    }
  }
  return hashes;
}
