import { formatType } from "../../tensor/dtype.js";
import { checkAxes, checkAxis, checkRange, has, input, int, MAX_SIZE, refuse } from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";
import type { DtypeRule } from "./types.js";

const AXES = { kind: "ints", optional: true, doc: "The axes; all of them." } as const;
const AXIS = {
  kind: "int",
  optional: true,
  doc: "The axis; where it is absent the tensor is taken as flat.",
} as const;
const KEEPDIMS = {
  kind: "bool",
  default: false,
  doc: "Whether the axes stay, with size 1.",
} as const;
const DDOF = {
  kind: "int",
  default: 0,
  doc: "What is taken off the number of elements before dividing by it.",
} as const;
const SCAN = {
  axis: AXIS,
  reverse: { kind: "bool", default: false, doc: "Whether it runs from the end." },
  inclusive: {
    kind: "bool",
    default: true,
    doc: "Whether an element counts into its own result.",
  },
} as const;
const CAST = { kind: "dtype", optional: true, doc: "What the operand is cast to first." } as const;

function axesGuard(call: OpCall): void {
  checkAxes(call, "axes", input(call, 0).shape.length);
}

/** For reductions that have no value for nothing. */
function nonEmptyAxesGuard(call: OpCall): void {
  const type = input(call, 0);
  for (const axis of checkAxes(call, "axes", type.shape.length)) {
    if (type.shape[axis] === 0) {
      refuse(call, "shape_invalid", `axis ${axis} of ${formatType(type)} is empty`, "an element");
    }
  }
}

function medianGuard(call: OpCall): void {
  nonEmptyAxesGuard(call);
  if (checkAxes(call, "axes", input(call, 0).shape.length).length === 0 && has(call, "axes")) {
    refuse(call, "axis_invalid", "axes is empty", "one axis or more");
  }
}

function nonEmptyGuard(call: OpCall): void {
  const type = input(call, 0);
  if (type.shape.includes(0)) {
    refuse(call, "shape_invalid", `${formatType(type)} is empty`, "an element or more");
  }
}

function logsumexpGuard(call: OpCall): void {
  axesGuard(call);
  nonEmptyGuard(call);
}

/** One axis, or the flat tensor, whose size MLX holds in 32 bits. */
function axisGuard(call: OpCall): void {
  const { shape } = input(call, 0);
  if (has(call, "axis")) {
    checkAxis(call, "axis", int(call, "axis"), shape.length);
  } else {
    checkRange(
      call,
      "the number of elements of the flat tensor",
      shape.reduce((product, size) => product * size, 1),
      0,
      MAX_SIZE,
    );
  }
}

function argGuard(call: OpCall): void {
  axisGuard(call);
  nonEmptyGuard(call);
}

/** Every difference takes a few nodes. */
const MAX_DIFFERENCES = 1024;

function diffGuard(call: OpCall): void {
  checkAxis(call, "axis", int(call, "axis"), input(call, 0).shape.length);
  checkRange(call, "n", int(call, "n"), 0, MAX_DIFFERENCES);
}

const reduction = <const D extends string, const T extends DtypeRule>(doc: D, dtype: T) =>
  ({
    doc,
    operands: ["a"],
    work: "reduction",
    type: { dtype, shape: "reduced" },
    attributes: { axes: AXES, keepdims: KEEPDIMS },
    guard: axesGuard,
  }) as const;
const nonEmpty = <const D extends string>(doc: D) =>
  ({ ...reduction(doc, "same"), guard: nonEmptyAxesGuard }) as const;
const deviation = <const D extends string>(doc: D) =>
  ({
    doc,
    operands: ["a"],
    work: "reduction",
    type: { dtype: "real_float", shape: "reduced" },
    attributes: { axes: AXES, keepdims: KEEPDIMS, ddof: DDOF },
    guard: axesGuard,
  }) as const;
const argReduction = <const D extends string>(doc: D) =>
  ({
    doc,
    operands: ["a"],
    work: "reduction",
    type: { dtype: "uint32", shape: "reduced" },
    attributes: { axis: AXIS, keepdims: KEEPDIMS },
    guard: argGuard,
  }) as const;
const scan = <const D extends string, const T extends DtypeRule>(doc: D, dtype: T) =>
  ({
    doc,
    operands: ["a"],
    type: { dtype, shape: "scanned" },
    attributes: SCAN,
    guard: axisGuard,
  }) as const;
const castScan = <const D extends string>(doc: D) =>
  ({ doc, operands: ["a"], attributes: { ...SCAN, dtype: CAST }, guard: axisGuard }) as const;

/** Reductions over axes, and scans along one. */
export const REDUCTION = {
  all: reduction("Whether all elements are other than zero.", "bool"),
  any: reduction("Whether any element is other than zero.", "bool"),
  count_nonzero: reduction("How many elements are other than zero.", "int32"),
  number_of_elements: {
    doc: "How many elements it has along the axes together, or 1 divided by that: a scalar. In a function that is exported shapeless it follows the sizes of each call.",
    operands: ["a"],
    attributes: {
      axes: AXES,
      inverted: { kind: "bool", default: false, doc: "Whether it is 1 divided by their number." },
      dtype: { kind: "dtype", default: "int32", doc: "Its element type; a float where inverted." },
    },
    guard: axesGuard,
  },
  sum: reduction("The sum; small integers are summed in 32 bits.", "summed"),
  prod: reduction("The product; small integers are multiplied in 32 bits.", "summed"),
  mean: reduction("The mean; NaN over nothing.", "float"),
  max: nonEmpty("The greatest element; NaN where any is."),
  min: nonEmpty("The least element; NaN where any is."),
  median: {
    ...nonEmpty("The middle of the sorted elements, or the mean of the two in the middle."),
    type: { dtype: "float", shape: "reduced" },
    guard: medianGuard,
  },
  minmax: {
    doc: "The least and the greatest element.",
    operands: ["a"],
    work: "reduction",
    attributes: { axes: AXES, keepdims: KEEPDIMS },
    outputs: 2,
    guard: nonEmptyAxesGuard,
  },
  logsumexp: {
    ...reduction("`log(sum(exp(a)))` without overflow.", "float"),
    guard: logsumexpGuard,
  },
  var: deviation("The variance."),
  std: deviation("The standard deviation."),
  argmax: argReduction("The index of the greatest element, the first of equals; uint32."),
  argmin: argReduction("The index of the least element, the first of equals; uint32."),
  softmax: {
    doc: "`exp(a) / sum(exp(a))` over axes.",
    operands: ["a"],
    type: { dtype: "known_float", shape: "same" },
    attributes: {
      axes: AXES,
      precise: {
        kind: "bool",
        default: false,
        doc: "Whether half precision is computed in float32.",
      },
    },
    guard: axesGuard,
  },
  cumsum: castScan("Sums of all elements up to each."),
  cumprod: castScan("Products of all elements up to each."),
  cummax: scan("The greatest of all elements up to each.", "same"),
  cummin: scan("The least of all elements up to each.", "same"),
  logcumsumexp: scan("`log(sum(exp(a)))` of all elements up to each.", "float"),
  diff: {
    doc: "Each element's difference from the one before it.",
    operands: ["a"],
    attributes: {
      n: { kind: "int", default: 1, doc: "How often this is done." },
      axis: { kind: "int", default: -1, doc: "The axis." },
    },
    guard: diffGuard,
  },
} as const satisfies OpFamily;
