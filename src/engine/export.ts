import { guarded } from "../error.js";
import { hashBytes } from "../graph/encoding/canonical.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import type { Tensor } from "../native-tensor.js";
import type { TensorType } from "../tensor/dtype.js";
import { namesOfArguments } from "../trace/parameter-names.js";
import type { TraceResult } from "../trace/trace.js";

/** A program that means the same in any process. */
export interface ExportedGraph {
  /** Names captured tensors by the SHA-256 of their bytes. `encodeGraph` makes a file of it. */
  readonly graph: Graph;
  /** The constants that are not inline, by that hash in hex. */
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** Options of {@link exportGraph}. */
export interface ExportOptions {
  /**
   * A name for each argument of the function, for `davit run --input NAME=FILE`. A tensor in an argument that is a list
   * or an object gets its place there as well: `layers.0.w`. Without them, arguments that all are objects name their
   * tensors by their keys alone; other arguments have no names.
   */
  readonly names?: readonly string[];
}

/**
 * Makes a traced graph fit for a file or another engine. In a traced graph captured tensors are externals, as their bytes
 * may not be computed yet; this waits for the bytes and makes constants of them, named by their content.
 *
 * @example
 * ```ts
 * const { graph, constants } = await exportGraph(f.trace(x), { names: ["x"] });
 * await writeFile("model.davit", encodeGraph(graph));
 * ```
 */
export async function exportGraph(
  traced: TraceResult,
  options: ExportOptions = {},
): Promise<ExportedGraph> {
  const { names: given } = options;
  const parameterNames =
    given === undefined ? undefined : guarded(() => namesOfArguments(traced.args, given));
  const hashes = new Map<string, string>();
  const constants = new Map<string, Tensor>();
  for (const [name, tensor] of traced.captures) {
    const hash = hashBytes(await tensor.bytes());
    hashes.set(name, hash);
    constants.set(hash, tensor);
  }
  const byContent = (node: GraphNode): GraphNode => {
    const hash = node.op === "external" ? hashes.get(node.attributes.name as string) : undefined;
    if (hash === undefined) return node;
    const { dtype, shape } = node.attributes as unknown as TensorType;
    const attributes = { dtype, shape, hash: Buffer.from(hash, "hex") };
    return { ...node, op: "constant_by_hash", attributes };
  };
  const functions = traced.graph.functions.map((item, index) => ({
    ...item,
    ...(index === 0 && parameterNames !== undefined ? { parameterNames } : {}),
    nodes: item.nodes.map(byContent),
  }));
  return { graph: { functions }, constants };
}
