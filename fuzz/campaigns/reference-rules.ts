import { elementCount } from "../../src/tensor/dtype.js";
import type { Body, BodyNode } from "../graphs/recipe.js";
import type { Value } from "../outcome.js";

/** Sums of so many products may come in another order. */
const TOLERANCE = 2e-2;

/** Ops whose results are not determined, or that have no counterpart in Python that says the same. */
const APART = new Set([
  "argpartition",
  "partition",
  "linalg.eig",
  "linalg.eigh",
  "linalg.svd",
  // Of matrices that are not positive definite.
  "linalg.cholesky",
  "linalg.cholesky_inv",
]);

/** Whether what Python MLX gives says nothing about a node: docs/ops.md says something else, or both may be right. */
export function differsOnPurpose(node: BodyNode, body: Body): boolean {
  return APART.has(node.op) || body.parameters.some(({ shape }) => elementCount(shape) === 0);
}

/** How far a value may be from the reference's. */
export function toleranceOf(_node: BodyNode, { type }: Value): number {
  return /float|complex/.test(type.dtype) ? TOLERANCE : 0;
}
