import type { Dtype } from "../../tensor/dtype.js";

/**
 * How the dtype of an op's only result follows from its call:
 *
 * - the name of a dtype: always this one;
 * - `"same"`: that of the first operand;
 * - `"float"`: that of the first operand where it is floating or complex, else float32;
 * - `"real"`: that of the first operand, of complex64 float32; `"real_float"`: likewise, but float32 also where it is no float;
 * - `"known_float"`: that of the first operand where it is floating or complex; where it is not, the call alone does not say it;
 * - `"summed"`: that of the first operand; of bool and integers of fewer than 32 bits, the integer of 32 bits;
 * - `"promoted"`: what all operands promote to; `"promoted_float"`: float32 where that is no float; `"promoted_number"`: uint8 where it is bool;
 * - `"promoted_rest"`: what the operands after the first promote to;
 * - `"attribute"`: the attribute `dtype`, or where it is absent that of the first operand.
 */
export type DtypeRule =
  | Dtype
  | "same"
  | "float"
  | "real"
  | "real_float"
  | "known_float"
  | "summed"
  | "promoted"
  | "promoted_float"
  | "promoted_number"
  | "promoted_rest"
  | "attribute";

/**
 * How the shape of an op's only result follows from its call:
 *
 * - `"scalar"`: no axes;
 * - `"same"`: that of the first operand;
 * - `"broadcast"`: that of all operands, broadcast against each other;
 * - `"reduced"`: that of the first operand without the attribute `axes`, or `axis`, or any axis where it is absent; with `keepdims` of size 1;
 * - `"scanned"`: that of the first operand, flat where the attribute `axis` is absent;
 * - `"attribute"`: the attribute `shape`; a -1 in it is what is left of the first operand's elements;
 * - `"transposed"`: that of the first operand, its axes in the order of the attribute `axes`, or reversed;
 * - `"matrix_product"`: that of the product of two matrices, or of batches of them.
 */
export type ShapeRule =
  | "scalar"
  | "same"
  | "broadcast"
  | "reduced"
  | "scanned"
  | "attribute"
  | "transposed"
  | "matrix_product";

/**
 * How the type of an op's only result follows from its call, where that is simple. The engine does not need it: it asks MLX. A client that
 * builds graphs does, for constants beside an operand and for the parameters of functions.
 */
export interface TypeRule {
  readonly dtype: DtypeRule;
  readonly shape: ShapeRule;
}
