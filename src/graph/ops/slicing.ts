import { elementCount, formatType } from "../../tensor/dtype.js";
import { checkAxes, checkRange, has, input, MAX_SIZE, refuse } from "./guards.js";
import { checkIntegers, checkLength, checkSizes } from "./operands.js";
import type { OpCall, OpFamily } from "./spec.js";

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

const BOUNDS = {
  start: { kind: "ints", doc: "The first index of each axis; negative ones count from the end." },
  stop: { kind: "ints", doc: "The index after the last one of each axis, likewise." },
  strides: { kind: "ints", optional: true, doc: "Steps; negative ones go backwards; 1." },
} as const;
const sliceUpdate = <const D extends string>(doc: D) =>
  ({
    doc,
    operands: ["src", "update"],
    attributes: BOUNDS,
    guard: sliceGuard,
  }) as const;

/** Parts of a tensor, read and written, that begin where attributes or an operand say. */
export const SLICING = {
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
    roles: { start: "index" },
    attributes: {
      axes: { kind: "ints", doc: "The axes that have a start; it is 0 for the others." },
      slice_size: { kind: "ints", doc: "The sizes of the part, one for each axis of the tensor." },
    },
    guard: dynamicSliceGuard,
  },
  dynamic_slice_update: {
    doc: "A tensor with a part replaced that begins where an operand says. Starts are clamped into range, so that the update fits; negative ones do not count from the end.",
    operands: ["src", "update", "start"],
    roles: { start: "index" },
    attributes: {
      axes: { kind: "ints", doc: "The axes that have a start; it is 0 for the others." },
    },
    guard: dynamicUpdateGuard,
  },
} as const satisfies OpFamily;
