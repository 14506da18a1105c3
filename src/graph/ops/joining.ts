import { elementCount, formatType } from "../../tensor/dtype.js";
import {
  checkAxis,
  checkNotEmpty,
  checkRange,
  checkShape,
  has,
  input,
  int,
  ints,
  MAX_SIZE,
  refuse,
} from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

/** Parts that a reflecting pad is put together from: each takes a few nodes. */
const MAX_REFLECTIONS = 1024;

function broadcastToGuard(call: OpCall): void {
  checkShape(call, "shape", ints(call, "shape"), input(call, 0).dtype);
}

function repeatGuard(call: OpCall): void {
  const { shape, dtype } = input(call, 0);
  const repeats = checkRange(call, "repeats", int(call, "repeats"), 0, MAX_SIZE);
  const sizes = has(call, "axis") ? [...shape] : [elementCount(shape)];
  const axis = has(call, "axis") ? checkAxis(call, "axis", int(call, "axis"), sizes.length) : 0;
  sizes[axis] = (sizes[axis] as number) * repeats;
  checkShape(call, "the result", sizes, dtype);
}

function tileGuard(call: OpCall): void {
  const { shape, dtype } = input(call, 0);
  const reps = ints(call, "reps");
  for (const count of reps) checkRange(call, "a number of reps", count, 0, MAX_SIZE);
  const rank = Math.max(shape.length, reps.length);
  const at = (list: readonly number[], axis: number) => list[list.length - rank + axis] ?? 1;
  const sizes = Array.from({ length: rank }, (_, axis) => at(shape, axis) * at(reps, axis));
  checkShape(call, "the result", sizes, dtype);
}

function padGuard(call: OpCall): void {
  const type = input(call, 0);
  const rank = type.shape.length;
  const widths = ints(call, "pad_width");
  if (widths.length !== 2 * rank) {
    refuse(
      call,
      "attribute_invalid",
      `pad_width has ${widths.length} widths`,
      `${2 * rank}: before and after each of ${rank} axes`,
    );
  }
  for (const width of widths) checkRange(call, "a width of pad_width", width, 0, MAX_SIZE);
  const sizes = type.shape.map(
    (size, axis) => size + (widths[2 * axis] as number) + (widths[2 * axis + 1] as number),
  );
  checkShape(call, "the result", sizes, type.dtype);
  const value = call.inputs[1] ?? null;
  if (value !== null && value.shape.length !== 0) {
    refuse(call, "shape_invalid", `constant_values is ${formatType(value)}`, "a scalar");
  }
  if (call.attributes.mode === "constant") return;
  for (const [axis, size] of type.shape.entries()) checkMirror(call, size, axis);
}

/** Refuses what a mode other than `constant` cannot fill, or only with a great many nodes. */
function checkMirror(call: OpCall, size: number, axis: number): void {
  const mode = call.attributes.mode as string;
  const widest = Math.max(...ints(call, "pad_width").slice(2 * axis, 2 * axis + 2));
  if (widest > 0 && size === 0) {
    refuse(
      call,
      "shape_invalid",
      `axis ${axis} is empty`,
      `an element to pad with in mode ${mode}`,
    );
  }
  const part = mode === "reflect" ? Math.max(size - 1, 1) : size;
  if (mode !== "edge" && widest > part * MAX_REFLECTIONS) {
    refuse(
      call,
      "value_too_large",
      `a width of ${widest} in mode ${mode} for axis ${axis} of size ${size}`,
      `at most ${part * MAX_REFLECTIONS}`,
    );
  }
}

function concatenateGuard(call: OpCall): void {
  checkNotEmpty(call);
  const axis = checkAxis(call, "axis", int(call, "axis"), input(call, 0).shape.length);
  const total = call.inputs.reduce((sum, type) => sum + (type?.shape[axis] ?? 0), 0);
  checkRange(call, "the size of the result's axis", total, 0, MAX_SIZE);
}

function stackGuard(call: OpCall): void {
  checkNotEmpty(call);
  checkAxis(call, "axis", int(call, "axis"), input(call, 0).shape.length + 1);
}

function splitGuard(call: OpCall): void {
  const { shape } = input(call, 0);
  const axis = checkAxis(call, "axis", int(call, "axis"), shape.length);
  if (has(call, "sections") === has(call, "indices")) {
    refuse(call, "attribute_invalid", "split takes either sections or indices", "one of them");
  }
  if (!has(call, "sections")) return;
  const size = shape[axis] as number;
  const sections = checkRange(call, "sections", int(call, "sections"), 1, MAX_SIZE);
  if (size % sections !== 0) {
    refuse(
      call,
      "shape_invalid",
      `axis ${axis} of size ${size} does not split into ${sections} equal parts`,
      `a divisor of ${size}`,
    );
  }
}

function unstackGuard(call: OpCall): void {
  const { shape } = input(call, 0);
  const axis = checkAxis(call, "axis", int(call, "axis"), shape.length);
  if (shape[axis] === 0) refuse(call, "shape_invalid", `axis ${axis} is empty`, "an element");
}

/** Ops that put tensors together, repeat them and take them apart. */
export const JOINING = {
  broadcast_to: {
    doc: "The operand broadcast to a shape.",
    operands: ["a"],
    type: { dtype: "same", shape: "attribute" },
    attributes: { shape: { kind: "ints", doc: "The new sizes." } },
    guard: broadcastToGuard,
  },
  broadcast_arrays: {
    doc: "The operands broadcast against each other.",
    operands: ["...arrays"],
    attributes: {},
    outputs: "operands",
    guard: checkNotEmpty,
  },
  repeat: {
    doc: "Each element repeated along an axis.",
    operands: ["a"],
    attributes: {
      repeats: { kind: "int", doc: "How often." },
      axis: {
        kind: "int",
        optional: true,
        doc: "The axis; where it is absent the tensor is taken as flat.",
      },
    },
    guard: repeatGuard,
  },
  tile: {
    doc: "The whole tensor repeated along its axes.",
    operands: ["a"],
    attributes: { reps: { kind: "ints", doc: "How often along each axis, the last ones." } },
    guard: tileGuard,
  },
  pad: {
    doc: "With elements added before and after each axis.",
    operands: ["a", "constant_values?"],
    attributes: {
      pad_width: {
        kind: "ints",
        doc: "How many: before the first axis, after it, before the second, and so on.",
      },
      mode: {
        kind: "string",
        default: "constant",
        values: ["constant", "edge", "reflect", "symmetric"],
        doc: '`constant_values` or 0 ("constant"), the outermost element ("edge"), or the elements mirrored without ("reflect") or with the outermost ("symmetric").',
      },
    },
    guard: padGuard,
  },
  concatenate: {
    doc: "Tensors one after the other along an axis.",
    operands: ["...arrays"],
    attributes: { axis: { kind: "int", default: 0, doc: "The axis." } },
    guard: concatenateGuard,
  },
  stack: {
    doc: "Tensors of one shape along a new axis.",
    operands: ["...arrays"],
    attributes: { axis: { kind: "int", default: 0, doc: "Where it is in the result." } },
    guard: stackGuard,
  },
  split: {
    doc: "Parts along an axis: so many equal `sections`, or cut before each of `indices`.",
    operands: ["a"],
    attributes: {
      sections: { kind: "int", optional: true, doc: "How many; a divisor of the size." },
      indices: { kind: "ints", optional: true, doc: "Where a new part begins." },
      axis: { kind: "int", default: 0, doc: "The axis." },
    },
    outputs: { sections: "sections", indices: "indices" },
    guard: splitGuard,
  },
  unstack: {
    doc: "The parts of size 1 along an axis, without that axis.",
    operands: ["a"],
    attributes: { axis: { kind: "int", default: 0, doc: "The axis." } },
    outputs: { sizeAlong: "axis" },
    guard: unstackGuard,
  },
} as const satisfies OpFamily;
