import { elementCount, formatType } from "../../tensor/dtype.js";
import {
  checkAxes,
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
  resolveSizes,
} from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

const SHAPE = { kind: "ints", doc: "The new sizes." } as const;
const INFERRED_SHAPE = { kind: "ints", doc: "The new sizes; one may be -1." } as const;
const AXES = { kind: "ints", optional: true, doc: "The axes; all of them." } as const;

const axisGuard =
  (...names: string[]) =>
  (call: OpCall): void => {
    const rank = input(call, 0).shape.length;
    for (const name of names) checkAxis(call, name, int(call, name), rank);
  };

function axesGuard(call: OpCall): void {
  checkAxes(call, "axes", input(call, 0).shape.length);
}

function reshapeGuard(call: OpCall): void {
  resolveSizes(call, ints(call, "shape"), elementCount(input(call, 0).shape));
}

function flattenGuard(call: OpCall): void {
  const { shape } = input(call, 0);
  const rank = shape.length;
  if (rank === 0) return;
  const start = checkAxis(call, "start_axis", int(call, "start_axis"), rank);
  const end = checkAxis(call, "end_axis", int(call, "end_axis"), rank);
  if (start > end) {
    refuse(call, "axis_invalid", `start_axis ${start} comes after end_axis ${end}`);
  }
  const size = elementCount(shape.slice(start, end + 1));
  checkRange(call, "the size of the flat axis", size, 0, MAX_SIZE);
}

function unflattenGuard(call: OpCall): void {
  const { shape } = input(call, 0);
  const axis = checkAxis(call, "axis", int(call, "axis"), shape.length);
  const sizes = ints(call, "shape");
  if (sizes.length === 0) {
    refuse(call, "shape_invalid", "shape is empty", "one size or more");
  }
  resolveSizes(call, sizes, shape[axis] as number);
}

function squeezeGuard(call: OpCall): void {
  const type = input(call, 0);
  if (!has(call, "axes")) return;
  for (const axis of checkAxes(call, "axes", type.shape.length)) {
    if (type.shape[axis] !== 1) {
      refuse(call, "shape_invalid", `axis ${axis} of ${formatType(type)} is not of size 1`);
    }
  }
}

function expandDimsGuard(call: OpCall): void {
  checkAxes(call, "axes", input(call, 0).shape.length + ints(call, "axes").length);
}

function transposeGuard(call: OpCall): void {
  const rank = input(call, 0).shape.length;
  const axes = checkAxes(call, "axes", rank);
  if (axes.length !== rank) {
    refuse(call, "axis_invalid", `axes [${axes}] are ${axes.length}`, `all ${rank} axes`);
  }
}

function rollGuard(call: OpCall): void {
  const { shape } = input(call, 0);
  const shift = ints(call, "shift");
  if (!has(call, "axes")) {
    const total = shift.reduce((sum, amount) => sum + amount, 0);
    checkRange(call, "the sum of shift", total, -MAX_SIZE, MAX_SIZE);
    checkRange(call, "the number of elements", elementCount(shape), 0, MAX_SIZE);
    return;
  }
  const axes = ints(call, "axes");
  for (const axis of axes) checkAxis(call, "axes", axis, shape.length);
  if (shift.length !== axes.length) {
    refuse(
      call,
      "attribute_invalid",
      `shift has ${shift.length} amounts for ${axes.length} axes`,
      "one for each axis",
    );
  }
}

/** MLX reads whatever lies at the strides: nothing else keeps it inside the operand. */
function asStridedGuard(call: OpCall): void {
  const type = input(call, 0);
  const shape = ints(call, "shape");
  const strides = ints(call, "strides");
  checkShape(call, "shape", shape, type.dtype);
  if (strides.length !== shape.length) {
    refuse(
      call,
      "attribute_invalid",
      `${strides.length} strides for ${shape.length} sizes`,
      "one for each size",
    );
  }
  const reach = shape.map((size, axis) => (size - 1) * (strides[axis] as number));
  const offset = int(call, "offset");
  const first = reach.reduce((sum, distance) => sum + Math.min(distance, 0), offset);
  const last = reach.reduce((sum, distance) => sum + Math.max(distance, 0), offset);
  const count = elementCount(type.shape);
  const empty = shape.includes(0);
  if (empty ? offset < 0 || offset > count : first < 0 || last >= count) {
    refuse(
      call,
      "attribute_invalid",
      `elements ${first} to ${last} of ${formatType(type)}`,
      `elements 0 to ${count - 1}`,
    );
  }
}

/** Ops that change a tensor's shape. */
export const SHAPE_OPS = {
  reshape: {
    doc: "The same elements in another shape.",
    operands: ["a"],
    type: { dtype: "same", shape: "attribute" },
    attributes: { shape: INFERRED_SHAPE },
    guard: reshapeGuard,
  },
  flatten: {
    doc: "Neighbouring axes as one; a scalar becomes a vector.",
    operands: ["a"],
    attributes: {
      start_axis: { kind: "int", default: 0, doc: "The first of them." },
      end_axis: { kind: "int", default: -1, doc: "The last of them." },
    },
    guard: flattenGuard,
  },
  unflatten: {
    doc: "One axis as several.",
    operands: ["a"],
    attributes: { axis: { kind: "int", doc: "The axis." }, shape: INFERRED_SHAPE },
    guard: unflattenGuard,
  },
  squeeze: {
    doc: "Without axes of size 1.",
    operands: ["a"],
    attributes: { axes: { kind: "ints", optional: true, doc: "The axes; all of size 1." } },
    guard: squeezeGuard,
  },
  expand_dims: {
    doc: "With new axes of size 1.",
    operands: ["a"],
    attributes: { axes: { kind: "ints", doc: "Where they are in the result." } },
    guard: expandDimsGuard,
  },
  atleast_1d: {
    doc: "With axes of size 1 added up to rank 1.",
    operands: ["a"],
    attributes: {},
  },
  atleast_2d: {
    doc: "With axes of size 1 added up to rank 2.",
    operands: ["a"],
    attributes: {},
  },
  atleast_3d: {
    doc: "With axes of size 1 added up to rank 3.",
    operands: ["a"],
    attributes: {},
  },
  transpose: {
    doc: "The axes in another order.",
    operands: ["a"],
    type: { dtype: "same", shape: "transposed" },
    attributes: { axes: { kind: "ints", optional: true, doc: "The order; reversed." } },
    guard: transposeGuard,
  },
  matrix_transpose: {
    doc: "The last two axes swapped.",
    operands: ["a"],
    attributes: {},
    guard: (call: OpCall) => checkRank(call, input(call, 0), 2),
  },
  swapaxes: {
    doc: "Two axes swapped.",
    operands: ["a"],
    attributes: {
      axis1: { kind: "int", doc: "One axis." },
      axis2: { kind: "int", doc: "The other." },
    },
    guard: axisGuard("axis1", "axis2"),
  },
  moveaxis: {
    doc: "One axis moved to another place.",
    operands: ["a"],
    attributes: {
      source: { kind: "int", doc: "Where it is." },
      destination: { kind: "int", doc: "Where it goes." },
    },
    guard: axisGuard("source", "destination"),
  },
  flip: {
    doc: "The elements in reverse order along axes.",
    operands: ["a"],
    type: { dtype: "same", shape: "same" },
    attributes: { axes: AXES },
    guard: axesGuard,
  },
  roll: {
    doc: "Elements moved along axes; what leaves at one end comes in at the other.",
    operands: ["a"],
    type: { dtype: "same", shape: "same" },
    attributes: {
      shift: { kind: "ints", doc: "How far, for each axis." },
      axes: {
        kind: "ints",
        optional: true,
        doc: "The axes; absent: the tensor is rolled as if flat, by the sum of `shift`.",
      },
    },
    guard: rollGuard,
  },
  as_strided: {
    doc: "The operand's elements, row by row, seen through other sizes and strides.",
    operands: ["a"],
    attributes: {
      shape: SHAPE,
      strides: { kind: "ints", doc: "Elements from one to the next along each axis." },
      offset: { kind: "int", default: 0, doc: "The first element." },
    },
    guard: asStridedGuard,
  },
  contiguous: {
    doc: "The same tensor, row by row in memory without gaps.",
    operands: ["a"],
    type: { dtype: "same", shape: "same" },
    attributes: {
      allow_col_major: {
        kind: "bool",
        default: false,
        doc: "Whether column by column will do.",
      },
    },
  },
} as const satisfies OpFamily;
