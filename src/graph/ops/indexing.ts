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
import { broadcast, checkFlat, checkIntegers, checkSizes } from "./operands.js";
import type { OpCall, OpFamily } from "./spec.js";

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
      "arity_invalid",
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
  const axis1 = checkAxis(call, "axis1", int(call, "axis1"), type.shape.length);
  const axis2 = checkAxis(call, "axis2", int(call, "axis2"), type.shape.length);
  if (axis1 === axis2) refuse(call, "axis_invalid", `axis1 and axis2 are both ${axis1}`);
}

const AXES = { kind: "ints", doc: "The axes that the operands of indices are for." } as const;
const AXIS = { kind: "int", doc: "The axis." } as const;
const DIAGONAL = {
  offset: { kind: "int", default: 0, doc: "How far above the main diagonal." },
  axis1: { kind: "int", default: 0, doc: "The axis of rows." },
  axis2: { kind: "int", default: 1, doc: "The axis of columns." },
} as const;

const alongAxis = <const D extends string>(doc: D) =>
  ({
    doc: `${doc} Indices are clamped into range.`,
    operands: ["a", "indices", "values"],
    roles: { indices: "index" },
    attributes: { axis: AXIS },
    guard: alongAxisGuard,
  }) as const;
const scatter = <const D extends string>(doc: D) =>
  ({
    doc: `${doc} The updates have the indices' axes, then the tensor's. Indices are clamped into range, so that a slice fits.`,
    operands: ["a", "updates", "...indices"],
    roles: { indices: "index" },
    attributes: { axes: AXES },
    guard: scatterGuard,
  }) as const;

/** Elements of a tensor, read and written, at indices and on diagonals. */
export const INDEXING = {
  take: {
    doc: "Elements at indices along an axis. Indices are clamped into range.",
    operands: ["a", "indices"],
    roles: { indices: "index" },
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
    roles: { indices: "index" },
    attributes: { axis: AXIS },
    guard: alongAxisGuard,
  },
  put_along_axis: alongAxis("A tensor with values put at indices along an axis."),
  scatter_add_axis: alongAxis("A tensor with values added at indices along an axis."),
  gather: {
    doc: "Slices of a tensor, one for each place of the indices. Indices are clamped into range, so that a slice fits.",
    operands: ["a", "...indices"],
    roles: { indices: "index" },
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
      k: { kind: "int", default: 0, doc: "How far above the main diagonal." },
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
