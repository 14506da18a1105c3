import type { Attributes } from "../graph/graph.js";
import { differentiable, isStraight } from "./derivative-parts.js";
import { Derivatives } from "./derivatives.js";
import { forwardMode } from "./forward-mode.js";
import type { FunctionTable } from "./function-table.js";
import { reverseMode } from "./reverse-mode.js";

/** A node that computes a function together with derivatives of it. */
export interface DerivativeNode {
  readonly op: "vjp" | "jvp" | "call";
  readonly attributes: Attributes;
}

/**
 * The node that computes a function's results and vector-Jacobian products. Its operands are the function's
 * arguments, then a cotangent for each result of `outs`; its outputs are the results, then a gradient for
 * each argument of `wrt`. Straight functions are left to the native engine; for others a function is added to the
 * table: it stores the carries of counted loops on its way forward, runs their bodies' derivatives backwards,
 * and takes only the branches that were taken. Values that it needs again inside loops and branches it computes
 * again, without hooks.
 * @throws GraphError `derivative_unsupported`
 */
export function vjpNode(
  table: FunctionTable,
  callee: number,
  outs: readonly number[],
  wrt: readonly number[],
): DerivativeNode {
  const { results } = table.get(callee);
  if (outs.length === results.length && isStraight(table, callee)) {
    return { op: "vjp", attributes: { function: callee, wrt } };
  }
  const made = reverseMode(new Derivatives(table), callee, outs, wrt);
  return { op: "call", attributes: { function: made } };
}

/**
 * The node that computes a function's results and Jacobian-vector products. Its operands are the function's arguments,
 * then a tangent for each argument of `wrt`; its outputs are the results, then a tangent for each result
 * that has one.
 * @throws GraphError `derivative_unsupported`
 */
export function jvpNode(
  table: FunctionTable,
  callee: number,
  wrt: readonly number[],
): DerivativeNode {
  const { results } = table.signature(callee);
  if (differentiable(results).length === results.length && isStraight(table, callee)) {
    return { op: "jvp", attributes: { function: callee, wrt } };
  }
  const made = forwardMode(new Derivatives(table), callee, wrt);
  return { op: "call", attributes: { function: made } };
}
