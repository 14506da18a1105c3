import { elementCount, formatType, sameType } from "../../tensor/dtype.js";
import {
  checkAxis,
  checkRange,
  checkRank,
  checkShape,
  has,
  input,
  int,
  ints,
  MAX_SIZE,
  refuse,
} from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

const SHAPE = { kind: "ints", doc: "The sizes of the result." } as const;
const DTYPE = { kind: "dtype", default: "float32", doc: "Its element type." } as const;
const BROADCAST_SHAPE = {
  kind: "ints",
  optional: true,
  doc: "The sizes of the result; those of the operands broadcast against each other.",
} as const;

function keyGuard(call: OpCall): void {
  const key = input(call, 0);
  if (!sameType(key, { dtype: "uint32", shape: [2] })) {
    refuse(call, "shape_invalid", `the key is ${formatType(key)}`, "uint32[2]");
  }
}

function shapeGuard(call: OpCall): void {
  keyGuard(call);
  if (has(call, "shape")) checkShape(call, "shape", ints(call, "shape"));
}

function seedGuard(call: OpCall): void {
  const seed = call.attributes.seed as number | bigint;
  if (seed < 0) refuse(call, "attribute_invalid", `seed is ${seed}`, "0 to 2^64 - 1");
}

function splitGuard(call: OpCall): void {
  keyGuard(call);
  checkRange(call, "num", int(call, "num"), 0, MAX_SIZE);
}

function bitsGuard(call: OpCall): void {
  shapeGuard(call);
  const width = int(call, "width");
  if (![1, 2, 4].includes(width)) {
    refuse(call, "attribute_invalid", `width is ${width}`, "1, 2 or 4 bytes");
  }
}

function multivariateNormalGuard(call: OpCall): void {
  shapeGuard(call);
  const [mean, covariance] = [input(call, 1), input(call, 2)];
  checkRank(call, mean, 1);
  checkRank(call, covariance, 2);
  // LAPACK's routines do not take an empty matrix.
  if (elementCount(covariance.shape) === 0) {
    refuse(call, "shape_invalid", `cov is ${formatType(covariance)}`, "an element or more");
  }
}

function categoricalGuard(call: OpCall): void {
  shapeGuard(call);
  const logits = input(call, 1);
  checkAxis(call, "axis", int(call, "axis"), logits.shape.length);
  if (logits.shape.includes(0)) {
    refuse(call, "shape_invalid", `${formatType(logits)} is empty`, "an element or more");
  }
  if (has(call, "shape") && has(call, "num_samples")) {
    refuse(call, "attribute_invalid", "both shape and num_samples are given", "one of them");
  }
  if (has(call, "num_samples")) {
    checkRange(call, "num_samples", int(call, "num_samples"), 0, MAX_SIZE);
  }
}

function permutationGuard(call: OpCall): void {
  keyGuard(call);
  checkAxis(call, "axis", int(call, "axis"), input(call, 1).shape.length);
}

/** Random numbers, the same for the same key on every machine. A key is uint32[2]; use each once. */
export const RANDOM = {
  "random.key": {
    doc: "A key made from a seed.",
    operands: [],
    attributes: { seed: { kind: "int", doc: "0 to 2^64 - 1." } },
    guard: seedGuard,
  },
  "random.split": {
    doc: "New keys made from one: uint32[num, 2].",
    operands: ["key"],
    attributes: { num: { kind: "int", default: 2, doc: "How many." } },
    guard: splitGuard,
  },
  "random.bits": {
    doc: "Random bits, as uint8, uint16 or uint32.",
    operands: ["key"],
    attributes: {
      shape: SHAPE,
      width: { kind: "int", default: 4, doc: "Bytes of an element: 1, 2 or 4." },
    },
    guard: bitsGuard,
  },
  "random.uniform": {
    doc: "Evenly distributed from `low` up to, not including, `high`.",
    operands: ["key", "low?", "high?"],
    attributes: { shape: SHAPE, dtype: DTYPE },
    guard: shapeGuard,
  },
  "random.normal": {
    doc: "Normally distributed around `loc` (0) with the standard deviation `scale` (1).",
    operands: ["key", "loc?", "scale?"],
    attributes: { shape: SHAPE, dtype: DTYPE },
    guard: shapeGuard,
  },
  "random.multivariate_normal": {
    doc: "Normally distributed vectors with a mean and a covariance, in float32.",
    operands: ["key", "mean", "cov"],
    attributes: {
      shape: { kind: "ints", doc: "The sizes before the last; broadcast with the operands'." },
    },
    guard: multivariateNormalGuard,
  },
  "random.randint": {
    doc: "Integers from `low` up to, not including, `high`, drawn with the precision of float32.",
    operands: ["key", "low", "high"],
    attributes: {
      shape: SHAPE,
      dtype: { kind: "dtype", default: "int32", doc: "Its element type." },
    },
    guard: shapeGuard,
  },
  "random.bernoulli": {
    doc: "True with probability `p` (0.5).",
    operands: ["key", "p?"],
    attributes: { shape: BROADCAST_SHAPE },
    guard: shapeGuard,
  },
  "random.truncated_normal": {
    doc: "The standard normal distribution cut to `lower` and `upper`.",
    operands: ["key", "lower", "upper"],
    attributes: { shape: BROADCAST_SHAPE, dtype: DTYPE },
    guard: shapeGuard,
  },
  "random.gumbel": {
    doc: "The standard Gumbel distribution.",
    operands: ["key"],
    attributes: { shape: SHAPE, dtype: DTYPE },
    guard: shapeGuard,
  },
  "random.laplace": {
    doc: "The Laplace distribution.",
    operands: ["key"],
    attributes: {
      shape: SHAPE,
      dtype: DTYPE,
      loc: { kind: "float", default: 0, doc: "Its mean." },
      scale: { kind: "float", default: 1, doc: "Its scale." },
    },
    guard: shapeGuard,
  },
  "random.categorical": {
    doc: "Indices along an axis, drawn with the probabilities whose logarithms, up to a constant, are the logits; uint32.",
    operands: ["key", "logits"],
    attributes: {
      axis: { kind: "int", default: -1, doc: "The axis of the categories." },
      shape: {
        kind: "ints",
        optional: true,
        doc: "The sizes of the result; those of the logits without the axis.",
      },
      num_samples: {
        kind: "int",
        optional: true,
        doc: "How many are drawn of each distribution, along a new last axis; not with `shape`.",
      },
    },
    guard: categoricalGuard,
  },
  "random.permutation": {
    doc: "The operand's parts along an axis in random order.",
    operands: ["key", "x"],
    attributes: { axis: { kind: "int", default: 0, doc: "The axis." } },
    guard: permutationGuard,
  },
} as const satisfies OpFamily;
