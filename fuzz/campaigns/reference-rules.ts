import type { Attributes } from "../../src/graph/graph.js";
import { elementCount, isInexact } from "../../src/tensor/dtype.js";
import { decode, tensor } from "../../test/support/data.js";
import { isHalf } from "../compare.js";
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

/** Products of half precision of which MLX rounds every sum; the engine rounds the last one. */
const ROUNDED_SUMS = new Set(["quantized_matmul", "gather_qmm"]);

/** Whether what Python MLX gives says nothing about a node: docs/ops.md says something else, or both may be right. */
export function differsOnPurpose(node: BodyNode, body: Body): boolean {
  if (APART.has(node.op) || body.parameters.some(({ shape }) => elementCount(shape) === 0)) {
    return true;
  }
  // MLX's quotient of true by false is true, that of its floor_divide is false.
  if (node.op === "divmod" && body.parameters.every(({ dtype }) => dtype === "bool")) return true;
  // Infinite factors make NaN in one order of adding up and infinity in another, and Python's slices overflow.
  return isFar(node.attributes);
}

/** Whether an attribute is so far from 0 that results depend on the last digits of sums. */
export function isFar(attributes: Attributes): boolean {
  const values = Object.values(attributes).flat();
  return values.some(
    (value) => typeof value === "bigint" || (typeof value === "number" && !(Math.abs(value) < FAR)),
  );
}

/** How far a value may be from the reference's. */
export function toleranceOf({ type }: Value): number {
  return isInexact(type.dtype) ? TOLERANCE : 0;
}

/** An operand or a result of a node as it is compared: in float32 where MLX rounds every sum of half precision. */
export function comparable({ op }: BodyNode, value: Value): Value {
  if (!ROUNDED_SUMS.has(op) || !isHalf(value.type.dtype)) return value;
  return tensor("float32", value.type.shape, decode(value));
}
