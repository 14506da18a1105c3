import { elementCount, isInexact } from "../../src/tensor/dtype.js";
import type { Body, BodyNode } from "../graphs/recipe.js";
import type { Value } from "../outcome.js";

/** Sums of so many products may come in another order. */
const TOLERANCE = 2e-2;

/** Attributes that are as far from 0 as this are tried by the campaign `graphs`. */
const FAR = 2 ** 30;

/** Ops whose results are not determined, or that have no counterpart in Python that says the same. */
const APART = new Set([
  "argpartition",
  "partition",
  "linalg.eig",
  "linalg.eigvals",
  "linalg.eigh",
  "linalg.svd",
  // Of matrices that are not positive definite.
  "linalg.cholesky",
  "linalg.cholesky_inv",
]);

/** Whether what Python MLX gives says nothing about a node: docs/ops.md says something else, or both may be right. */
export function differsOnPurpose(node: BodyNode, body: Body): boolean {
  if (APART.has(node.op) || body.parameters.some(({ shape }) => elementCount(shape) === 0)) {
    return true;
  }
  // Infinite factors make NaN in one order of adding up and infinity in another, and Python's slices overflow.
  return Object.values(node.attributes).flat().some(isFar);
}

function isFar(value: unknown): boolean {
  if (typeof value === "bigint") return true;
  return typeof value === "number" && !(Math.abs(value) < FAR);
}

/** How far a value may be from the reference's. */
export function toleranceOf({ type }: Value): number {
  return isInexact(type.dtype) ? TOLERANCE : 0;
}
