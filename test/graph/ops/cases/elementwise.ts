import { DTYPES } from "../../../../src/tensor/dtype.js";
import { filled, kindOf, scalar, specials, tensor } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";
import { binary, isInexact, likeFloat32, together, unary } from "./common.js";

const closeness: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [3, 4], "any", 1);
    const b = filled(dtype, [3, 4], "any", 2);
    return [
      { inputs: [a, b] },
      { inputs: [a, a] },
      { inputs: [a, b], attributes: { rtol: 0.5, atol: 0.25, equal_nan: true } },
      { inputs: [filled(dtype, [3, 1]), filled(dtype, [4])] },
      { inputs: [filled(dtype, [0, 2]), filled(dtype, [0, 2])] },
      ...(isInexact(dtype)
        ? [true, false].map((equal_nan) => ({
            inputs: [specials(dtype), specials(dtype)],
            attributes: { equal_nan },
          }))
        : []),
    ];
  },
};

/** Shifts by every amount below the width of a byte. */
const shift: OpCases = {
  calls: (dtype) => {
    const steps = [0, 1, 2, 3, 4, 5, 6, 7];
    const amounts = tensor(dtype === "bool" ? "uint8" : dtype, [8], complexed(dtype, steps));
    return [
      { inputs: [filled(dtype, [8]), amounts] },
      { inputs: [filled(dtype, [3, 1]), amounts] },
      { inputs: [filled(dtype, [0]), filled(dtype, [0])] },
      { inputs: [filled(dtype, [], "positive"), scalar(dtype, 1)] },
    ];
  },
};

const clip: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [3, 4]);
    const low = scalar(dtype, kindOf(dtype) === "bool" ? 0 : 1);
    const high = filled(dtype, [4], "positive");
    return [
      { inputs: [a, low, high] },
      { inputs: [a, low, null] },
      { inputs: [a, null, high] },
      { inputs: [filled(dtype, [0, 4]), low, high] },
      ...(isInexact(dtype) ? [{ inputs: [specials(dtype), low, scalar(dtype, 2)] }] : []),
    ];
  },
};

const where: OpCases = {
  calls: (dtype) => {
    const condition = filled("bool", [3, 4], "any", 5);
    return [
      { inputs: [condition, filled(dtype, [3, 4], "any", 1), filled(dtype, [3, 4], "any", 2)] },
      { inputs: [filled(dtype, [3, 1]), filled("float32", [4]), scalar(dtype, 1)] },
      { inputs: [scalar("bool", 1), filled(dtype, []), filled(dtype, [])] },
      { inputs: [filled("bool", [0, 4]), filled(dtype, [1, 4]), scalar(dtype, 0)] },
    ];
  },
};

/** To every dtype, of values that all of them hold. */
const astype: OpCases = {
  calls: (dtype) =>
    DTYPES.flatMap((target) => [
      {
        inputs: [tensor(dtype, [2, 3], complexed(dtype, [0, 1, 2, 3, 100, 7]))],
        attributes: { dtype: target },
      },
      { inputs: [filled(dtype, [0, 3])], attributes: { dtype: target } },
      { inputs: [scalar(dtype, 1)], attributes: { dtype: target } },
    ]),
};

const complexed = (dtype: string, values: number[]) =>
  dtype === "complex64" ? values.flatMap((value) => [value, value / 2]) : values;

const view: OpCases = {
  calls: (dtype) =>
    DTYPES.filter((target) => target !== "bool").flatMap((target) => [
      { inputs: [filled(dtype, [3, 8])], attributes: { dtype: target } },
      { inputs: [filled(dtype, [0, 8])], attributes: { dtype: target } },
    ]),
};

const rounding = together(unary(), unary("any", { decimals: 2 }), unary("any", { decimals: -1 }));

const replaced = together(
  unary(),
  unary("any", { nan: 1.5, posinf: 100, neginf: -100 }),
  unary("any", { nan: 2 }),
);

const equality: OpCases = together(
  {
    calls: (dtype) => [
      { inputs: [filled(dtype, [3, 4]), filled(dtype, [3, 4])] },
      { inputs: [filled(dtype, [3, 4], "any", 1), filled(dtype, [3, 4], "any", 2)] },
      { inputs: [filled(dtype, [3]), filled(dtype, [4])] },
      { inputs: [filled(dtype, [0]), filled(dtype, [0])] },
      { inputs: [scalar(dtype, 1), scalar("float32", 1)] },
    ],
  },
  {
    calls: (dtype) =>
      isInexact(dtype)
        ? [true, false].map((equal_nan) => ({
            inputs: [specials(dtype), specials(dtype)],
            attributes: { equal_nan },
          }))
        : [],
  },
);

export const ELEMENTWISE_CASES: CaseTable = {
  abs: unary(),
  arccos: unary("unit"),
  arccosh: unary("positive"),
  arcsin: unary("unit"),
  arcsinh: unary(),
  arctan: unary(),
  arctanh: unary("unit"),
  bitwise_invert: unary(),
  ceil: unary(),
  conjugate: unary(),
  cos: likeFloat32(unary()),
  cosh: unary("small"),
  degrees: unary(),
  erf: likeFloat32(unary()),
  erfinv: likeFloat32(unary("unit")),
  exp: likeFloat32(unary("small")),
  expm1: unary("small"),
  floor: unary(),
  imag: unary(),
  isfinite: unary(),
  isinf: unary(),
  isnan: unary(),
  isneginf: unary(),
  isposinf: unary(),
  log: unary("positive"),
  log10: unary("positive"),
  log1p: unary("positive"),
  log2: unary("positive"),
  logical_not: unary(),
  negative: unary(),
  positive: unary(),
  radians: unary(),
  real: unary(),
  reciprocal: unary("nonzero"),
  rsqrt: unary("positive"),
  sigmoid: likeFloat32(unary()),
  sign: unary(),
  sin: likeFloat32(unary()),
  sinh: unary("small"),
  sqrt: unary("positive"),
  square: unary("small"),
  stop_gradient: unary(),
  tan: unary(),
  tanh: unary(),
  trunc: unary(),
  round: rounding,
  nan_to_num: replaced,
  add: binary(),
  arctan2: binary(),
  bitwise_and: binary("any", "any", "uint8"),
  bitwise_or: binary("any", "any", "uint8"),
  bitwise_xor: binary("any", "any", "uint8"),
  divide: binary("any", "nonzero"),
  divmod: binary("any", "nonzero"),
  equal: binary("small", "small"),
  floor_divide: binary("any", "nonzero"),
  greater: binary("small", "small"),
  greater_equal: binary("small", "small"),
  left_shift: shift,
  less: binary("small", "small"),
  less_equal: binary("small", "small"),
  logaddexp: binary(),
  logical_and: binary("small", "small"),
  logical_or: binary("small", "small"),
  logical_xor: binary("small", "small"),
  maximum: binary(),
  minimum: binary(),
  multiply: binary(),
  not_equal: binary("small", "small"),
  power: binary("small", "small"),
  remainder: binary("any", "nonzero"),
  right_shift: shift,
  subtract: binary(),
  isclose: closeness,
  allclose: closeness,
  array_equal: equality,
  clip,
  where,
  astype,
  view,
};
