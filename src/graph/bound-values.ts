import type { TensorType } from "../tensor/dtype.js";
import type { Graph, GraphNode } from "./graph.js";

/** A value that is not in the graph: a tensor is bound to it when the graph is loaded. */
export interface BoundValue {
  readonly kind: "constant" | "external";
  /** The SHA-256 of a constant's bytes in hex, or an external's name. */
  readonly name: string;
  readonly type: TensorType;
}

/** Returns what a node needs a tensor for when the graph is loaded, or nothing. */
export function boundValueOf(node: GraphNode): BoundValue | undefined {
  if (node.op !== "constant_by_hash" && node.op !== "external") return undefined;
  const { dtype, shape, hash, name } = node.attributes as unknown as TensorType & {
    hash: Uint8Array;
    name: string;
  };
  const type = { dtype, shape: shape.map(Number) };
  return node.op === "external"
    ? { kind: "external", name, type }
    : { kind: "constant", name: Buffer.from(hash).toString("hex"), type };
}

/** Returns the names of what a graph needs tensors for when it is loaded: its constants that are not inline, or its externals. */
export function boundNamesOf({ functions }: Graph, kind: BoundValue["kind"]): Set<string> {
  const values = functions.flatMap(({ nodes }) =>
    nodes.flatMap((node) => boundValueOf(node) ?? []),
  );
  return new Set(values.filter((value) => value.kind === kind).map(({ name }) => name));
}

/** Tells whether a node is a value without operands: in the graph, or bound when it is loaded. */
export function isLeaf(node: Pick<GraphNode, "op">): boolean {
  return node.op === "constant" || node.op === "constant_by_hash" || node.op === "external";
}
