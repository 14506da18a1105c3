import { hashBytes } from "../graph/canonical.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import type { TraceResult } from "../trace/trace.js";
import { DavitError } from "./error.js";
import { Tensor } from "./tensor.js";

/** A program that means the same in any process. */
export interface ExportedGraph {
  /** Names its constants by the SHA-256 of their bytes. `encodeGraph` makes a file of it. */
  readonly graph: Graph;
  /** The constants that are not inline, by that hash in hex. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

/**
 * Makes what tracing gave fit for a file or another engine. Tracing names captured tensors by their order, as their bytes may not
 * be computed yet; this waits for them.
 *
 * @example
 * ```ts
 * const { graph, constants } = await exportGraph(f.trace(x));
 * await writeFile("model.davit", encodeGraph(graph));
 * ```
 */
export async function exportGraph(traced: TraceResult): Promise<ExportedGraph> {
  const names = new Map<string, string>();
  const constants = new Map<string, Tensor>();
  for (const [name, tensor] of traced.captures) {
    if (!(tensor instanceof Tensor)) {
      throw new DavitError("argument_invalid", "a captured value is not a tensor of an engine");
    }
    const hash = hashBytes(await tensor.bytes());
    names.set(name, hash);
    constants.set(hash, tensor);
  }
  const renamed = (node: GraphNode): GraphNode => {
    const { hash } = node.attributes;
    if (node.op !== "constant" || !(hash instanceof Uint8Array)) return node;
    const content = names.get(Buffer.from(hash).toString("hex")) as string;
    return { ...node, attributes: { ...node.attributes, hash: Buffer.from(content, "hex") } };
  };
  const functions = traced.graph.functions.map((item) => ({
    ...item,
    nodes: item.nodes.map(renamed),
  }));
  return { graph: { functions }, constants };
}
