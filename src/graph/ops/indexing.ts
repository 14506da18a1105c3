import { elementCount, formatType, type TensorType } from "../../tensor/dtype.js";
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
} from "./guards.js";
import { broadcast, checkFlat, checkIntegers } from "./operands.js";
import type { OpCall, OpFamily } from "./spec.js";

function checkLength(call: OpCall, name: string, length: number): readonly number[] {
  const list = ints(call, name);
  if (list.length !== length) {
    refuse(call, "attribute_invalid", `${name} has ${list.length} numbers`, `${length}`);
  }
  return list;
}

/** Bounds as in Python: negative ones count from the end, what lies outside is cut off. */
function sliceGuard(call: OpCall): void {
  const rank = input(call, 0).shape.length;
  for (const name of ["start", "stop"]) {
    for (const bound of checkLength(call, name, rank)) {
      checkRange(call, name, bound, -MAX_SIZE - 1, MAX_SIZE);
    }
  }
  if (!has(call, "strides")) return;
  for (const stride of checkLength(call, "strides", rank)) {
    checkRange(call, "strides", stride, -MAX_SIZE, MAX_SIZE);
    if (stride === 0) refuse(call, "attribute_invalid", "a stride is 0", "another number");
  }
}

/** Checks a tensor of starts: one for each axis. */
function checkStarts(call: OpCall, index: number): number[] {
  const rank = input(call, 0).shape.length;
  const axes = checkAxes(call, "axes", rank);
  const starts = checkIntegers(call, index, "the starts");
  const count = elementCount(starts.shape);
  if (starts.shape.length > 1 || count !== axes.length) {
    refuse(
      call,
      "shape_invalid",
      `${formatType(starts)} holds ${count} starts for ${axes.length} axes`,
      "a vector with one start for each axis",
    );
  }
  return axes;
}

function checkSizes(call: OpCall, name: string, type: TensorType): void {
  for (const [axis, size] of checkLength(call, name, type.shape.length).entries()) {
    checkRange(call, `size ${axis} of ${name}`, size, 0, type.shape[axis] as number);
  }
}

function dynamicSliceGuard(call: OpCall): void {
  checkStarts(call, 1);
  checkSizes(call, "slice_size", input(call, 0));
}

function dynamicUpdateGuard(call: OpCall): void {
  checkStarts(call, 2);
  const [a, update] = [input(call, 0), input(call, 1)];
  const missing = a.shape.length - update.shape.length;
  if (
    missing < 0 ||
    update.shape.some((size, axis) => size > (a.shape[axis + missing] as number))
  ) {
    refuse(
      call,
      "shape_invalid",
      `an update of ${formatType(update)} does not fit ${formatType(a)}`,
      "no more axes, and no longer ones",
    );
  }
}

/** MLX reads an empty axis at any index it is given. */
function checkNotFromEmpty(call: OpCall, size: number, indices: TensorType): void {
  if (size === 0 && elementCount(indices.shape) > 0) {
    refuse(
      call,
      "shape_invalid",
      `${formatType(indices)} points into an empty axis`,
      "an element or more",
    );
  }
}

function takeGuard(call: OpCall): void {
  const type = input(call, 0);
  const indices = checkIntegers(call, 1, "indices");
  if (!has(call, "axis")) {
    checkFlat(call, type);
    checkNotFromEmpty(call, elementCount(type.shape), indices);
    return;
  }
  const axis = checkAxis(call, "axis", int(call, "axis"), type.shape.length);
  checkNotFromEmpty(call, type.shape[axis] as number, indices);
  const shape = type.shape.flatMap((size, index) => (index === axis ? indices.shape : size));
  checkShape(call, "the result", shape, type.dtype);
}

/** Checks indices along one axis; the other axes are broadcast. */
function alongAxisGuard(call: OpCall): void {
  const type = input(call, 0);
  const indices = checkIntegers(call, 1, "indices");
  const axis = checkAxis(call, "axis", int(call, "axis"), type.shape.length);
  if (indices.shape.length !== type.shape.length) {
    refuse(
      call,
      "shape_invalid",
      `indices are ${formatType(indices)}`,
      `rank ${type.shape.length}`,
    );
  }
  const others = ({ shape }: TensorType) => shape.map((size, index) => (index === axis ? 1 : size));
  broadcast(call, [others(type), others(indices)]);
  checkNotFromEmpty(call, type.shape[axis] as number, indices);
}

/** Checks indices for several axes; returns the axes and the shape that the indices broadcast to. */
function checkIndexOperands(call: OpCall, first: number): { axes: number[]; shape: number[] } {
  const rank = input(call, 0).shape.length;
  const axes = checkAxes(call, "axes", rank);
  const indices = call.inputs
    .slice(first)
    .map((_, index) => checkIntegers(call, first + index, "indices"));
  if (indices.length === 0 || indices.length !== axes.length) {
    refuse(
      call,
      "arity",
      `${indices.length} operands of indices for ${axes.length} axes`,
      "one for each axis, and one or more",
    );
  }
  return {
    axes,
    shape: broadcast(
      call,
      indices.map(({ shape }) => shape),
    ),
  };
}

function gatherGuard(call: OpCall): void {
  const type = input(call, 0);
  const { axes, shape } = checkIndexOperands(call, 1);
  checkSizes(call, "slice_sizes", type);
  const slice = ints(call, "slice_sizes");
  if (elementCount(shape) > 0 && elementCount(slice) > 0) {
    for (const axis of axes)
      checkNotFromEmpty(call, type.shape[axis] as number, { ...type, shape });
  }
  checkShape(call, "the result", [...shape, ...slice], type.dtype);
}

function scatterGuard(call: OpCall): void {
  const [type, updates] = [input(call, 0), input(call, 1)];
  const { shape } = checkIndexOperands(call, 2);
  const fits =
    updates.shape.length === shape.length + type.shape.length &&
    shape.every((size, axis) => size === updates.shape[axis]) &&
    type.shape.every((size, axis) => (updates.shape[shape.length + axis] as number) <= size);
  if (!fits) {
    refuse(
      call,
      "shape_invalid",
      `updates are ${formatType(updates)} for indices of [${shape.join(", ")}]`,
      "the indices' sizes, then sizes that fit the tensor's",
    );
  }
}

function maskedScatterGuard(call: OpCall): void {
  const mask = input(call, 1);
  if (mask.dtype !== "bool") {
    refuse(call, "dtype_unsupported", `the mask is ${mask.dtype}`, "bool");
  }
}

/** MLX counts the new size in 32 bits. */
function diagGuard(call: OpCall): void {
  const type = input(call, 0);
  const k = checkRange(call, "k", int(call, "k"), -MAX_SIZE, MAX_SIZE);
  if (type.shape.length !== 1) return;
  const size = (type.shape[0] as number) + Math.abs(k);
  checkShape(call, "the result", [size, size], type.dtype);
}

function diagonalGuard(call: OpCall): void {
  const type = input(call, 0);
  checkRank(call, type, 2);
  checkRange(call, "offset", int(call, "offset"), -MAX_SIZE, MAX_SIZE);
  const axis1 = checkAxis(call, "axis1", int(call, "axis1", 0), type.shape.length);
  const axis2 = checkAxis(call, "axis2", int(call, "axis2", 1), type.shape.length);
  if (axis1 === axis2) refuse(call, "axis_invalid", `axis1 and axis2 are both ${axis1}`);
}

const BOUNDS = {
  start: { kind: "ints", doc: "The first index of each axis; negative ones count from the end." },
  stop: { kind: "ints", doc: "The index after the last one of each axis, likewise." },
  strides: { kind: "ints", optional: true, doc: "Steps; negative ones go backwards; 1." },
} as const;
const AXES = { kind: "ints", doc: "The axes that the operands of indices are for." } as const;
const AXIS = { kind: "int", doc: "The axis." } as const;
const DIAGONAL = {
  offset: { kind: "int", optional: true, doc: "How far above the main diagonal; 0." },
  axis1: { kind: "int", optional: true, doc: "The axis of rows; 0." },
  axis2: { kind: "int", optional: true, doc: "The axis of columns; 1." },
} as const;

const sliceUpdate = <const D extends string>(doc: D) =>
  ({
    doc,
    operands: ["src", "update"],
    attributes: BOUNDS,
    guard: sliceGuard,
  }) as const;
const alongAxis = <const D extends string>(doc: D) =>
  ({
    doc: `${doc} Indices are clamped into range.`,
    operands: ["a", "indices", "values"],
    attributes: { axis: AXIS },
    guard: alongAxisGuard,
  }) as const;
const scatter = <const D extends string>(doc: D) =>
  ({
    doc: `${doc} The updates have the indices' axes, then the tensor's. Indices are clamped into range, so that a slice fits.`,
    operands: ["a", "updates", "...indices"],
    attributes: { axes: AXES },
    guard: scatterGuard,
  }) as const;

/** Reading and writing parts of a tensor. */
export const INDEXING = {
  slice: {
    doc: "A part of a tensor, with bounds as in Python.",
    operands: ["a"],
    attributes: BOUNDS,
    guard: sliceGuard,
  },
  slice_update: sliceUpdate("A tensor with a part replaced by the update, which is broadcast."),
  slice_update_add: sliceUpdate("A tensor with the update added to a part."),
  slice_update_prod: sliceUpdate("A tensor with a part multiplied by the update."),
  slice_update_max: sliceUpdate("A tensor with the greater of a part and the update in its place."),
  slice_update_min: sliceUpdate("A tensor with the lesser of a part and the update in its place."),
  dynamic_slice: {
    doc: "A part of a tensor that begins where an operand says. Starts are clamped into range, so that the part fits; negative ones do not count from the end.",
    operands: ["a", "start"],
    attributes: {
      axes: { kind: "ints", doc: "The axes that have a start; it is 0 for the others." },
      slice_size: { kind: "ints", doc: "The sizes of the part, one for each axis of the tensor." },
    },
    guard: dynamicSliceGuard,
  },
  dynamic_slice_update: {
    doc: "A tensor with a part replaced that begins where an operand says. Starts are clamped into range, so that the update fits; negative ones do not count from the end.",
    operands: ["src", "update", "start"],
    attributes: {
      axes: { kind: "ints", doc: "The axes that have a start; it is 0 for the others." },
    },
    guard: dynamicUpdateGuard,
  },
  take: {
    doc: "Elements at indices along an axis. Indices are clamped into range.",
    operands: ["a", "indices"],
    attributes: {
      axis: {
        kind: "int",
        optional: true,
        doc: "The axis; where it is absent the tensor is taken as flat.",
      },
    },
    guard: takeGuard,
  },
  take_along_axis: {
    doc: "For each place of the indices the element at that index along an axis. Indices are clamped into range.",
    operands: ["a", "indices"],
    attributes: { axis: AXIS },
    guard: alongAxisGuard,
  },
  put_along_axis: alongAxis("A tensor with values put at indices along an axis."),
  scatter_add_axis: alongAxis("A tensor with values added at indices along an axis."),
  gather: {
    doc: "Slices of a tensor, one for each place of the indices. Indices are clamped into range, so that a slice fits.",
    operands: ["a", "...indices"],
    attributes: {
      axes: AXES,
      slice_sizes: { kind: "ints", doc: "The sizes of a slice, one for each axis of the tensor." },
    },
    guard: gatherGuard,
  },
  scatter: scatter("A tensor with slices replaced; of slices that overlap any may win."),
  scatter_add: scatter("A tensor with updates added to slices."),
  scatter_prod: scatter("A tensor with slices multiplied by updates."),
  scatter_max: scatter("A tensor with the greater of slices and updates."),
  scatter_min: scatter("A tensor with the lesser of slices and updates."),
  masked_scatter: {
    doc: "A tensor with the places that a mask marks replaced, in order, by the elements of `src`; too few of them fail the run.",
    operands: ["a", "mask", "src"],
    attributes: {},
    guard: maskedScatterGuard,
  },
  diag: {
    doc: "The diagonal of a matrix, or a matrix with a vector as its diagonal.",
    operands: ["a"],
    attributes: {
      k: { kind: "int", optional: true, doc: "How far above the main diagonal; 0." },
    },
    guard: diagGuard,
  },
  diagonal: {
    doc: "The diagonals over two axes, as a last axis.",
    operands: ["a"],
    attributes: DIAGONAL,
    guard: diagonalGuard,
  },
  trace: {
    doc: "The sum of a diagonal.",
    operands: ["a"],
    attributes: {
      ...DIAGONAL,
      dtype: { kind: "dtype", optional: true, doc: "What it is summed in; the operand's." },
    },
    guard: diagonalGuard,
  },
} as const satisfies OpFamily;
