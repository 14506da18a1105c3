import { itemBytes } from "../../tensor/dtype.js";
import { checkRange, input, int, MAX_SIZE, refuse } from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

const unary = <const D extends string>(doc: D, dtype: "same" | "float" | "real" | "bool") =>
  ({ doc, operands: ["a"], attributes: {}, type: { dtype, shape: "same" } }) as const;
const binary = <const D extends string>(
  doc: D,
  dtype: "promoted" | "promoted_float" | "promoted_number" | "bool" = "promoted",
) => ({ doc, operands: ["a", "b"], attributes: {}, type: { dtype, shape: "broadcast" } }) as const;

const CLOSENESS = {
  rtol: { kind: "float", default: 1e-5, doc: "How much of |b| they may differ by." },
  atol: { kind: "float", default: 1e-8, doc: "What they may differ by on top." },
  equal_nan: { kind: "bool", default: false, doc: "Whether NaN is close to NaN." },
} as const;

function clipGuard(call: OpCall): void {
  if ((call.inputs[1] ?? null) === null && (call.inputs[2] ?? null) === null) {
    refuse(call, "arity_invalid", "both bounds are absent", "a_min, a_max, or both");
  }
}

function roundGuard(call: OpCall): void {
  // The scale 10^decimals is a float32.
  checkRange(call, "decimals", int(call, "decimals"), -38, 38);
}

/** Bits cannot be seen as bool: only 0 and 1 are values of it, and MLX reads all others as they come. */
function viewGuard(call: OpCall): void {
  const { dtype, shape } = input(call, 0);
  const target = call.attributes.dtype as typeof dtype;
  if (target === dtype) return;
  if (target === "bool") {
    refuse(call, "dtype_unsupported", `the bits of ${dtype} are not bool`, "another dtype");
  }
  const from = itemBytes(dtype);
  const to = itemBytes(target);
  if (from === to) return;
  const last = shape.at(-1);
  if (last === undefined) {
    refuse(
      call,
      "shape_invalid",
      `a scalar of ${dtype} cannot be seen as ${target}`,
      "a dtype of the same width",
    );
  }
  if ((last * from) % to !== 0) {
    refuse(
      call,
      "shape_invalid",
      `the last axis has ${last * from} bytes`,
      `a multiple of the ${to} bytes of ${target}`,
    );
  }
  checkRange(call, "the size of the last axis", (last * from) / to, 0, MAX_SIZE);
}

/** Ops on each element, or on pairs of elements of tensors that are broadcast against each other. */
export const ELEMENTWISE = {
  abs: unary("The absolute value.", "real"),
  arccos: unary("The inverse cosine.", "float"),
  arccosh: unary("The inverse hyperbolic cosine.", "float"),
  arcsin: unary("The inverse sine.", "float"),
  arcsinh: unary("The inverse hyperbolic sine.", "float"),
  arctan: unary("The inverse tangent.", "float"),
  arctanh: unary("The inverse hyperbolic tangent.", "float"),
  bitwise_invert: unary("Every bit inverted; for bool, logical not.", "same"),
  ceil: unary("The least integer that is not less.", "same"),
  conjugate: unary("The complex conjugate; real tensors stay as they are.", "same"),
  cos: unary("The cosine.", "float"),
  cosh: unary("The hyperbolic cosine.", "float"),
  degrees: unary("Radians as degrees.", "float"),
  erf: unary("The error function.", "float"),
  erfinv: unary("The inverse of the error function.", "float"),
  exp: unary("e to the power of each element.", "float"),
  expm1: unary("`exp(a) - 1`, exact near 0.", "float"),
  floor: unary("The greatest integer that is not greater.", "same"),
  imag: unary("The imaginary part; zeros of the operand's dtype where it is real.", "real"),
  isfinite: unary("Whether an element is neither infinite nor NaN.", "bool"),
  isinf: unary("Whether an element is infinite.", "bool"),
  isnan: unary("Whether an element is NaN.", "bool"),
  isneginf: unary("Whether an element is negative infinity.", "bool"),
  isposinf: unary("Whether an element is positive infinity.", "bool"),
  log: unary("The natural logarithm.", "float"),
  log10: unary("The logarithm to base 10.", "float"),
  log1p: unary("`log(1 + a)`, exact near 0.", "float"),
  log2: unary("The logarithm to base 2.", "float"),
  logical_not: unary("Whether an element is zero.", "bool"),
  negative: unary("The negation; the smallest integer stays as it is.", "same"),
  positive: unary("The operand as it is.", "same"),
  radians: unary("Degrees as radians.", "float"),
  real: unary("The real part.", "real"),
  reciprocal: unary("`1 / a`.", "float"),
  rsqrt: unary("`1 / sqrt(a)`.", "float"),
  sigmoid: unary("The logistic function, `1 / (1 + exp(-a))`.", "float"),
  sign: unary("-1, 0 or 1; for complex numbers `a / |a|`.", "same"),
  sin: unary("The sine.", "float"),
  sinh: unary("The hyperbolic sine.", "float"),
  sqrt: unary("The square root.", "float"),
  square: unary("`a * a`.", "same"),
  stop_gradient: unary("The operand, through which no gradient flows.", "same"),
  tan: unary("The tangent.", "float"),
  tanh: unary("The hyperbolic tangent.", "float"),
  trunc: unary("The integer part.", "same"),
  round: {
    doc: "Rounded to a number of decimals; halves go to the even neighbour.",
    operands: ["a"],
    type: { dtype: "same", shape: "same" },
    attributes: {
      decimals: { kind: "int", default: 0, doc: "Digits after the point." },
    },
    guard: roundGuard,
  },
  nan_to_num: {
    doc: "NaN and infinities replaced by numbers.",
    operands: ["a"],
    type: { dtype: "same", shape: "same" },
    attributes: {
      nan: { kind: "float", default: 0, doc: "For NaN." },
      posinf: { kind: "float", optional: true, doc: "For infinity; the largest of the dtype." },
      neginf: {
        kind: "float",
        optional: true,
        doc: "For negative infinity; the smallest of the dtype.",
      },
    },
  },

  add: binary("`a + b`."),
  arctan2: binary("The angle of the point (b, a).", "promoted_float"),
  bitwise_and: binary("Bits set in both."),
  bitwise_or: binary("Bits set in either."),
  bitwise_xor: binary("Bits set in one of both."),
  divide: binary("`a / b`, in floating point for integers too.", "promoted_float"),
  divmod: {
    doc: "The quotient and the remainder of `floor_divide` and `remainder`.",
    operands: ["a", "b"],
    attributes: {},
    outputs: 2,
  },
  equal: binary("Whether a = b.", "bool"),
  floor_divide: binary(
    "`floor(a / b)`. For integers a division by 0 returns 0, and the smallest integer by -1 itself.",
  ),
  greater: binary("Whether a > b.", "bool"),
  greater_equal: binary("Whether a >= b.", "bool"),
  left_shift: binary(
    "Bits of `a` shifted to the left by `b` modulo the width of the dtype.",
    "promoted_number",
  ),
  less: binary("Whether a < b.", "bool"),
  less_equal: binary("Whether a <= b.", "bool"),
  logaddexp: binary("`log(exp(a) + exp(b))` without overflow.", "promoted_float"),
  logical_and: binary("Whether both are other than zero.", "bool"),
  logical_or: binary("Whether either is other than zero.", "bool"),
  logical_xor: binary("Whether one of both is other than zero.", "bool"),
  maximum: binary("The greater of both; NaN where either is."),
  minimum: binary("The lesser of both; NaN where either is."),
  multiply: binary("`a * b`."),
  not_equal: binary("Whether a and b differ.", "bool"),
  power: binary("`a` to the power of `b`; for integers a negative power returns 0."),
  remainder: binary(
    "The remainder of `floor_divide`, with the sign of `b`. For integers a division by 0 returns `a`.",
  ),
  right_shift: binary(
    "Bits of `a` shifted to the right by `b` modulo the width of the dtype.",
    "promoted_number",
  ),
  subtract: binary("`a - b`."),
  isclose: {
    doc: "Whether |a - b| <= atol + rtol * |b|.",
    operands: ["a", "b"],
    type: { dtype: "bool", shape: "broadcast" },
    attributes: CLOSENESS,
  },
  allclose: {
    doc: "Whether all elements are close, as `isclose` says.",
    operands: ["a", "b"],
    type: { dtype: "bool", shape: "scalar" },
    attributes: CLOSENESS,
  },
  array_equal: {
    doc: "Whether both have the same shape and elements.",
    operands: ["a", "b"],
    type: { dtype: "bool", shape: "scalar" },
    attributes: {
      equal_nan: { kind: "bool", default: false, doc: "Whether NaN equals NaN." },
    },
  },

  clip: {
    doc: "Elements held between two bounds, of which one may be absent.",
    operands: ["a", "a_min?", "a_max?"],
    type: { dtype: "promoted", shape: "broadcast" },
    attributes: {},
    guard: clipGuard,
  },
  where: {
    doc: "`x` where the condition holds and `y` elsewhere.",
    operands: ["condition", "x", "y"],
    type: { dtype: "promoted_rest", shape: "broadcast" },
    attributes: {},
  },
  astype: {
    doc: "Elements converted to another dtype. Of floats outside the range of an integer the result is left open.",
    operands: ["a"],
    type: { dtype: "attribute", shape: "same" },
    attributes: { dtype: { kind: "dtype", doc: "The new element type." } },
  },
  view: {
    doc: "The same bytes seen as another dtype; the last axis changes with its width.",
    operands: ["a"],
    attributes: { dtype: { kind: "dtype", doc: "The new element type; anything but bool." } },
    guard: viewGuard,
  },
} as const satisfies OpFamily;
