import { elementCount, formatType } from "../../tensor/dtype.js";
import { checkAxis, checkRange, input, int, MAX_SIZE, refuse } from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

const AXIS = { kind: "int", default: -1, doc: "The axis." } as const;
const KTH = {
  kind: "int",
  doc: "The place that gets the element it would have in sorted order; negative: from the end.",
} as const;

/** The size of the axis that the call works along. */
function axisSize(call: OpCall): number {
  const { shape } = input(call, 0);
  return shape[checkAxis(call, "axis", int(call, "axis"), shape.length)] as number;
}

function axisGuard(call: OpCall): void {
  axisSize(call);
}

function kthGuard(call: OpCall): void {
  const size = axisSize(call);
  if (size === 0) {
    refuse(call, "shape_invalid", `${formatType(input(call, 0))} is empty along the axis`);
  }
  checkRange(call, "kth", int(call, "kth"), -size, size - 1);
}

function topkGuard(call: OpCall): void {
  checkRange(call, "k", int(call, "k"), 0, axisSize(call));
}

function searchsortedGuard(call: OpCall): void {
  const type = input(call, 0);
  if (type.shape.length !== 1) {
    refuse(call, "shape_invalid", `the sorted sequence is ${formatType(type)}`, "rank 1");
  }
}

function uniqueGuard(call: OpCall): void {
  const type = input(call, 0);
  const size = checkRange(call, "size", int(call, "size"), 0, MAX_SIZE);
  const count = elementCount(type.shape);
  checkRange(call, "the number of elements", count, 0, MAX_SIZE);
  const fill = call.inputs[1] ?? null;
  if (count === 0 && size > 0 && fill === null) {
    refuse(call, "shape_invalid", `${formatType(type)} has no elements`, "a fill_value, or size 0");
  }
  if (fill !== null && elementCount(fill.shape) !== 1) {
    refuse(call, "shape_invalid", `fill_value is ${formatType(fill)}`, "a scalar");
  }
}

/** Sorting, partitioning and searching. */
export const SORTING = {
  sort: {
    doc: "Sorted along an axis; equal elements keep their order, NaN is last.",
    operands: ["a"],
    type: { dtype: "same", shape: "same" },
    attributes: { axis: AXIS },
    guard: axisGuard,
  },
  argsort: {
    doc: "The indices that sort along an axis; uint32.",
    operands: ["a"],
    type: { dtype: "uint32", shape: "same" },
    attributes: { axis: AXIS },
    guard: axisGuard,
  },
  partition: {
    doc: "Lesser elements before the kth of sorted order, greater ones after it, in any order.",
    operands: ["a"],
    type: { dtype: "same", shape: "same" },
    attributes: { kth: KTH, axis: AXIS },
    guard: kthGuard,
  },
  argpartition: {
    doc: "The indices that partition along an axis; uint32.",
    operands: ["a"],
    type: { dtype: "uint32", shape: "same" },
    attributes: { kth: KTH, axis: AXIS },
    guard: kthGuard,
  },
  topk: {
    doc: "The k greatest elements along an axis, in any order.",
    operands: ["a"],
    attributes: { k: { kind: "int", doc: "How many." }, axis: AXIS },
    guard: topkGuard,
  },
  searchsorted: {
    doc: "Where each value would be put into a sorted vector; uint32.",
    operands: ["sorted_sequence", "values"],
    attributes: {
      side: {
        kind: "string",
        default: "left",
        values: ["left", "right"],
        doc: 'Before ("left") or after ("right") equal elements.',
      },
    },
    guard: searchsortedGuard,
  },
  unique: {
    doc: "The sorted distinct elements of the flat tensor, cut or filled up to a size.",
    operands: ["a", "fill_value?"],
    attributes: {
      size: { kind: "int", doc: "The size of the result." },
      return_index: {
        kind: "bool",
        default: false,
        doc: "Whether an output is where each occurs first.",
      },
      return_inverse: {
        kind: "bool",
        default: false,
        doc: "Whether an output is each element's place in the result.",
      },
      return_counts: {
        kind: "bool",
        default: false,
        doc: "Whether an output is how often each occurs.",
      },
    },
    outputs: { flags: ["return_index", "return_inverse", "return_counts"] },
    guard: uniqueGuard,
  },
} as const satisfies OpFamily;
