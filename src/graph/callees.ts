import type { GraphNode } from "./graph.js";
import { findOp } from "./table.js";

/** The names of each op's attributes that name functions; most have none. */
const functionAttributes = new Map<string, readonly string[]>();

function namesOf(node: GraphNode): readonly string[] {
  let names = functionAttributes.get(node.op);
  if (names === undefined) {
    const { attributes } = findOp(node.op, { label: node.label });
    names = Object.keys(attributes).filter((name) => attributes[name]?.kind.startsWith("function"));
    functionAttributes.set(node.op, names);
  }
  return names;
}

const NO_FUNCTIONS: readonly number[] = [];

/** The functions that a node calls, in the order of its row's attributes. */
export function functionsOf(node: GraphNode): readonly number[] {
  const names = namesOf(node);
  return names.length === 0
    ? NO_FUNCTIONS
    : names.flatMap((name) => (node.attributes[name] ?? []) as number | number[]);
}

/** The node with other functions in the place of those that it calls. */
export function withFunctions(node: GraphNode, change: (callee: number) => number): GraphNode {
  const names = namesOf(node);
  if (names.length === 0) return node;
  const attributes = { ...node.attributes };
  for (const name of names) {
    const value = attributes[name] as number | readonly number[] | undefined;
    if (value === undefined) continue;
    attributes[name] = typeof value === "number" ? change(value) : value.map(change);
  }
  return { ...node, attributes };
}
