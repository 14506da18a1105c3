import { elementCount, formatType } from "../../tensor/dtype.js";
import { einsumGuard } from "./einsum.js";
import { checkAxis, checkRange, has, input, int, ints, MAX_SIZE, refuse } from "./guards.js";
import { checkBatchIndices, checkFlat, checkIntegers, optional } from "./operands.js";
import type { OpCall, OpFamily } from "./spec.js";

function outerGuard(call: OpCall): void {
  checkFlat(call, input(call, 0));
  checkFlat(call, input(call, 1));
}

function tensordotGuard(call: OpCall): void {
  const [a, b] = [input(call, 0), input(call, 1)];
  const list = (name: string) => (has(call, name) ? ints(call, name) : []);
  let [ofA, ofB] = [list("axes_a"), list("axes_b")];
  if (has(call, "axes_a") || has(call, "axes_b")) {
    if (has(call, "axes")) {
      refuse(call, "attribute_invalid", "axes is given beside axes_a and axes_b", "one of them");
    }
    if (ofA.length !== ofB.length) {
      refuse(
        call,
        "attribute_invalid",
        `axes_a has ${ofA.length} axes, axes_b ${ofB.length}`,
        "as many of each",
      );
    }
    ofA = ofA.map((axis) => checkAxis(call, "axes_a", axis, a.shape.length));
    ofB = ofB.map((axis) => checkAxis(call, "axes_b", axis, b.shape.length));
  } else {
    const count = int(call, "axes");
    checkRange(call, "axes", count, 0, Math.min(a.shape.length, b.shape.length));
    ofA = Array.from({ length: count }, (_, index) => a.shape.length - count + index);
    ofB = Array.from({ length: count }, (_, index) => index);
  }
  for (const [shape, axes] of [
    [a.shape, ofA],
    [b.shape, ofB],
  ] as const) {
    // MLX makes matrices of both, and multiplies their sizes in 32 bits.
    const contracted = elementCount(axes.map((axis) => shape[axis] as number));
    const kept = elementCount(shape.filter((_, axis) => !axes.includes(axis)));
    checkRange(call, "the contracted size", contracted, 0, MAX_SIZE);
    checkRange(call, "the size that is not contracted", kept, 0, MAX_SIZE);
  }
}

function vecdotGuard(call: OpCall): void {
  const [a, b] = [input(call, 0), input(call, 1)];
  checkAxis(call, "axis", int(call, "axis"), a.shape.length);
  if (a.shape.length !== b.shape.length) {
    refuse(call, "shape_invalid", `${formatType(a)} and ${formatType(b)}`, "as many axes");
  }
}

/** MLX has float64 kernels for neither of these, and says so only when it computes. */
function noFloat64(call: OpCall): void {
  for (const type of [input(call, 0), input(call, 1)]) {
    if (type.dtype === "float64") {
      refuse(call, "dtype_unsupported", `${call.op} does not work on float64`, "float32");
    }
  }
}

function blockMaskedGuard(call: OpCall): void {
  noFloat64(call);
  const size = int(call, "block_size");
  if (size !== 32 && size !== 64) {
    refuse(call, "attribute_invalid", `block_size is ${size}`, "32 or 64");
  }
}

function gatherMmGuard(call: OpCall): void {
  noFloat64(call);
  checkBatchIndices(call, 2, "lhs_indices", input(call, 0));
  checkBatchIndices(call, 3, "rhs_indices", input(call, 1));
}

function segmentedGuard(call: OpCall): void {
  const [a, b] = [input(call, 0), input(call, 1)];
  checkIntegers(call, 2, "segments");
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[1] !== b.shape[0]) {
    refuse(
      call,
      "shape_invalid",
      `the operands are ${formatType(a)} and ${formatType(b)}`,
      "matrices [m, k] and [k, n]",
    );
  }
}

/** MLX has kernels for these numbers of elements alone: m * 2^k. */
function hadamardGuard(call: OpCall): void {
  const type = input(call, 0);
  const size = type.shape.at(-1) ?? 1;
  const fits = [1, 12, 20, 28].some((m) => size >= m && Number.isInteger(Math.log2(size / m)));
  if (!fits || type.shape.includes(0)) {
    refuse(
      call,
      "shape_invalid",
      `the last axis of ${formatType(type)} does not fit`,
      "m * 2^k elements with m 1, 12, 20 or 28",
    );
  }
}

const FLAG_SORTED = {
  kind: "bool",
  default: false,
  doc: "Whether the indices are sorted, which lets MLX go faster.",
} as const;

/** Products of matrices and their relatives. */
export const MATMUL = {
  matmul: {
    doc: "The matrix product, of batches of matrices too; a vector stands for a row or a column.",
    operands: ["a", "b"],
    type: { dtype: "promoted", shape: "matrix_product" },
    work: "matmul",
    attributes: {},
  },
  addmm: {
    doc: "`beta * c + alpha * (a @ b)`.",
    operands: ["c", "a", "b"],
    work: "matmul",
    attributes: {
      alpha: { kind: "float", default: 1, doc: "The factor of the product." },
      beta: { kind: "float", default: 1, doc: "The factor of `c`." },
    },
  },
  inner: {
    doc: "The sum of products over the last axis of both.",
    operands: ["a", "b"],
    work: "matmul",
    attributes: {},
    guard: (call) => {
      if (input(call, 0).shape.length === 0 || input(call, 1).shape.length === 0) return;
      checkRange(call, "the rows of a", elementCount(input(call, 0).shape), 0, MAX_SIZE);
    },
  },
  outer: {
    doc: "All products of an element of one with an element of the other; both are taken as flat.",
    operands: ["a", "b"],
    attributes: {},
    guard: outerGuard,
  },
  vecdot: {
    doc: "The sum of products along an axis, of the first operand's conjugates.",
    operands: ["a", "b"],
    work: "reduction",
    attributes: { axis: { kind: "int", default: -1, doc: "The axis." } },
    guard: vecdotGuard,
  },
  tensordot: {
    doc: "The sum of products over several axes of both.",
    operands: ["a", "b"],
    work: "contraction",
    attributes: {
      axes: {
        kind: "int",
        default: 2,
        unless: ["axes_a", "axes_b"],
        doc: "How many axes: the last ones of `a` and the first ones of `b`.",
      },
      axes_a: { kind: "ints", optional: true, doc: "The axes of `a`, in place of `axes`." },
      axes_b: { kind: "ints", optional: true, doc: "The axes of `b`, in the same order." },
    },
    guard: tensordotGuard,
  },
  einsum: {
    doc: "The sum of products that Einstein's notation says.",
    operands: ["...operands"],
    work: "contraction",
    attributes: { subscripts: { kind: "string", doc: 'Such as `"ij,jk->ik"`.' } },
    guard: einsumGuard,
  },
  kron: {
    doc: "The Kronecker product.",
    operands: ["a", "b"],
    attributes: {},
  },
  block_masked_mm: {
    doc: "The matrix product with blocks of the operands and of the result masked, or scaled.",
    operands: ["a", "b", "mask_out?", "mask_lhs?", "mask_rhs?"],
    work: "matmul",
    attributes: { block_size: { kind: "int", default: 64, doc: "32 or 64." } },
    guard: blockMaskedGuard,
  },
  gather_mm: {
    doc: "Products of those matrices of two batches that indices name. Indices are clamped into range.",
    operands: ["a", "b", "lhs_indices?", "rhs_indices?"],
    roles: { lhs_indices: "index", rhs_indices: "index" },
    work: "matmul",
    attributes: { sorted_indices: FLAG_SORTED },
    guard: gatherMmGuard,
  },
  segmented_mm: {
    doc: "One matrix product for each segment of the inner axis; `segments` holds pairs of start and end, clamped into range.",
    operands: ["a", "b", "segments"],
    work: "matmul",
    attributes: {},
    guard: segmentedGuard,
  },
  hadamard_transform: {
    doc: "The product of the last axis with a Hadamard matrix.",
    operands: ["a"],
    work: "transform",
    attributes: {
      scale: { kind: "float", optional: true, doc: "A factor; one over the root of the size." },
    },
    guard: (call) => {
      hadamardGuard(call);
      if (optional(call, 0)?.dtype === "complex64") {
        refuse(call, "dtype_unsupported", "MLX drops the imaginary parts", "real numbers");
      }
    },
  },
} as const satisfies OpFamily;
