import { isDifferentiable } from "../graph/checking/control-flow.js";
import { GraphError } from "../graph/error.js";
import type { GraphFunction, GraphNode } from "../graph/graph.js";
import { customCallKind } from "../graph/ops/custom-call.js";
import { isOp } from "../graph/ops/index.js";
import type { TensorType } from "../tensor/dtype.js";
import type { FunctionTable, TypedBody } from "./function-table.js";

/** A node and the numbers of the values that it makes. */
export interface PlacedNode {
  readonly node: GraphNode;
  readonly outputs: readonly number[];
}

/** Nodes that the native engine differentiates at once, or one node that has a rule of its own. */
export interface Part {
  readonly straight: boolean;
  readonly nodes: readonly PlacedNode[];
}

/** The nodes of a function with the numbers of their outputs. */
export function placeNodes(body: GraphFunction): PlacedNode[] {
  let next = body.parameters.length;
  return body.nodes.map((node) => ({
    node,
    outputs: Array.from({ length: node.outputs }, () => next++),
  }));
}

/** Cuts a function at what the native engine does not differentiate: control flow, hooks and constants. */
export function partsOf(body: GraphFunction): Part[] {
  const parts: { straight: boolean; nodes: PlacedNode[] }[] = [];
  for (const placed of placeNodes(body)) {
    const { op } = placed.node;
    const straight =
      isOp(op) || op === "vjp" || op === "jvp" || customCallKind(placed.node) === "hook_gradient";
    const last = parts.at(-1);
    if (straight && last?.straight === true) last.nodes.push(placed);
    else parts.push({ straight, nodes: [placed] });
  }
  return parts;
}

/** Tells whether the native engine differentiates a function as it is. */
export function isStraight(table: FunctionTable, index: number): boolean {
  return table.get(index).nodes.every((node) => {
    const { op, attributes } = node;
    if (op === "constant") return true;
    if (op === "call") return isStraight(table, attributes.function as number);
    return (
      isOp(op) ||
      op === "vjp" ||
      op === "jvp" ||
      (customCallKind(node) ?? "callback") !== "callback"
    );
  });
}

/** Which values depend on some parameters, as far as derivatives go. */
export function dependents(body: TypedBody, wrt: readonly number[]): boolean[] {
  const active = body.parameters.map((_type, index) => wrt.includes(index));
  for (const { node, outputs } of placeNodes(body)) {
    const flows =
      node.op !== "stop_gradient" && node.inputs.some((value) => active[value] === true);
    for (const value of outputs) {
      active[value] = flows && isDifferentiable(body.values[value] as TensorType);
    }
  }
  return active;
}

/** Which values some of the results depend on by way of `active` values. */
export function linked(
  body: TypedBody,
  active: readonly boolean[],
  outs: readonly number[],
): boolean[] {
  const wanted = body.values.map(() => false);
  for (const out of outs) {
    const value = body.results[out] as number;
    wanted[value] = active[value] === true;
  }
  for (const { node, outputs } of placeNodes(body).reverse()) {
    if (!outputs.some((value) => wanted[value])) continue;
    for (const input of node.inputs) if (active[input] === true) wanted[input] = true;
  }
  return wanted;
}

/** The nodes of a straight part that some values need, and the values from outside that these need. */
export function needed(
  nodes: readonly PlacedNode[],
  values: readonly number[],
): { readonly nodes: PlacedNode[]; readonly inputs: number[] } {
  const open = new Set(values);
  const kept: PlacedNode[] = [];
  for (const placed of [...nodes].reverse()) {
    if (!placed.outputs.some((value) => open.has(value))) continue;
    kept.push(placed);
    for (const value of placed.outputs) open.delete(value);
    for (const input of placed.node.inputs) if (input >= 0) open.add(input);
  }
  return { nodes: kept.reverse(), inputs: [...open].sort((a, b) => a - b) };
}

/** The operands of a `for`, apart. */
export function loopOperands({ node, outputs }: PlacedNode): {
  readonly body: number;
  /** The count, where it is an operand. */
  readonly count: readonly number[];
  readonly carries: readonly number[];
  readonly invariants: readonly number[];
} {
  const first = node.attributes.count === undefined ? 1 : 0;
  const last = first + outputs.length;
  return {
    body: node.attributes.body as number,
    count: node.inputs.slice(0, first),
    carries: node.inputs.slice(first, last),
    invariants: node.inputs.slice(last),
  };
}

/** The positions of types that have derivatives. */
export function differentiable(types: readonly TensorType[]): number[] {
  return types.flatMap((type, index) => (isDifferentiable(type) ? [index] : []));
}

/** Tells a node that calls one of its functions with its operands, those behind the selector. */
export function isBranching({ op }: GraphNode): boolean {
  return op === "cond" || op === "switch" || op === "call";
}

/** The error for a node whose derivative is not defined. */
export function notDifferentiable(
  body: TypedBody,
  node: GraphNode,
  expected = node.op === "while" ? "a loop with a count (for)" : "stop_gradient around it",
): GraphError {
  const { op, label, inputs } = node;
  return new GraphError("derivative_unsupported", `${op} has no derivative here`, {
    op,
    label,
    function: body.name,
    inputs: inputs.map((value) => body.values[value] ?? null),
    expected,
  });
}
