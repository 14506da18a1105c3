import { elementCount, formatType, type TensorType } from "../../tensor/dtype.js";
import { checkRange, checkRank, has, input, int, MAX_SIZE, refuse } from "./guards.js";
import { checkBatchIndices, checkShapeIs, optional } from "./operands.js";
import type { OpCall, OpFamily } from "./spec.js";

/** The group sizes and bits that MLX has kernels for, the default first. */
const MODES = {
  affine: { groups: [64, 32, 128], bits: [4, 1, 2, 3, 5, 6, 8] },
  mxfp4: { groups: [32], bits: [4] },
  mxfp8: { groups: [32], bits: [8] },
  nvfp4: { groups: [16], bits: [4] },
} as const;

interface Scheme {
  readonly affine: boolean;
  readonly group: number;
  readonly bits: number;
}

function checkScheme(call: OpCall): Scheme {
  const mode = call.attributes.mode as keyof typeof MODES;
  const { groups, bits } = MODES[mode];
  const choose = (name: string, values: readonly number[]): number => {
    if (!has(call, name)) return values[0] as number;
    const value = int(call, name);
    if (values.includes(value)) return value;
    const expected = `one of ${[...values].sort((a, b) => a - b).join(", ")} for ${mode}`;
    return refuse(call, "attribute_invalid", `${name} is ${value}`, expected);
  };
  return {
    affine: mode === "affine",
    group: choose("group_size", groups),
    bits: choose("bits", bits),
  };
}

/** Checks a global scale, which nvfp4 alone has. */
function checkGlobalScale(call: OpCall, index: number): void {
  const scale = optional(call, index);
  if (scale === undefined) return;
  if (call.attributes.mode !== "nvfp4") {
    refuse(call, "attribute_invalid", "a global scale is given", "mode nvfp4");
  }
  if (elementCount(scale.shape) !== 1 || scale.dtype !== "float32") {
    refuse(call, "shape_invalid", `the global scale is ${formatType(scale)}`, "float32[]");
  }
}

function quantizeGuard(call: OpCall): void {
  const w = input(call, 0);
  const { group, affine } = checkScheme(call);
  checkRank(call, w, 2);
  checkGlobalScale(call, 1);
  if ((w.shape.at(-1) as number) % group !== 0) {
    refuse(call, "shape_invalid", `the last axis of ${formatType(w)}`, `a multiple of ${group}`);
  }
  if (!affine && w.shape.includes(0)) {
    refuse(call, "shape_invalid", `${formatType(w)} is empty`, "an element or more");
  }
  // MLX packs eight values of four bits, four groups of them at a time.
  if (!affine && elementCount(w.shape) % 32 !== 0) {
    refuse(call, "shape_invalid", `${formatType(w)}`, "a multiple of 32 elements");
  }
}

/** Checks scales and biases against the packed weight; returns how long its rows are unpacked. */
function checkPacked(call: OpCall, first: number): number {
  const scheme = checkScheme(call);
  const [w, scales] = [input(call, first), input(call, first + 1)];
  if (w.dtype !== "uint32") refuse(call, "dtype_unsupported", `w is ${w.dtype}`, "uint32");
  checkRank(call, w, 2);
  const length = ((w.shape.at(-1) as number) * 32) / scheme.bits;
  if (!Number.isInteger(length / scheme.group)) {
    refuse(
      call,
      "shape_invalid",
      `${formatType(w)} holds rows of ${length} values of ${scheme.bits} bits`,
      `a multiple of ${scheme.group}`,
    );
  }
  checkRange(call, "the length of an unpacked row", length, 0, MAX_SIZE);
  const perGroup = [...w.shape.slice(0, -1), length / scheme.group];
  checkShapeIs(call, "scales", scales, perGroup);
  checkBiases(call, first + 2, scheme, perGroup);
  if (!scheme.affine && scales.dtype !== "uint8") {
    refuse(call, "dtype_unsupported", `scales are ${scales.dtype}`, "uint8");
  }
  return length;
}

function checkBiases(call: OpCall, index: number, scheme: Scheme, shape: readonly number[]): void {
  const biases = optional(call, index);
  if (scheme.affine !== (biases !== undefined)) {
    refuse(
      call,
      "arity_invalid",
      scheme.affine ? "biases are absent" : "biases are given",
      scheme.affine ? "biases" : "mode affine",
    );
  }
  if (biases !== undefined) checkShapeIs(call, "biases", biases, shape);
}

function dequantizeGuard(call: OpCall): void {
  checkPacked(call, 0);
  checkGlobalScale(call, 3);
  if (input(call, 0).shape.includes(0)) {
    refuse(call, "shape_invalid", `${formatType(input(call, 0))} is empty`, "an element or more");
  }
}

/** Checks a product with a packed weight; returns it. */
function checkProduct(call: OpCall): TensorType {
  const length = checkPacked(call, 1);
  const [x, w] = [input(call, 0), input(call, 1)];
  checkRank(call, x, 1);
  const inner = call.attributes.transpose === false ? w.shape.at(-2) : length;
  if (x.shape.at(-1) !== inner) {
    refuse(call, "shape_invalid", `rows of ${formatType(x)}`, `${inner} elements, as w has`);
  }
  // MLX finds this out when it computes.
  for (const type of [input(call, 2), optional(call, 3)]) {
    if (type?.dtype === "float64") {
      refuse(call, "dtype_unsupported", `${call.op} does not work on float64`, "float32");
    }
  }
  return w;
}

function quantizedMatmulGuard(call: OpCall): void {
  const w = checkProduct(call);
  // MLX would take the first matrix alone.
  if (w.shape.length > 2 && input(call, 0).shape.length < 3) {
    refuse(
      call,
      "shape_invalid",
      `${formatType(input(call, 0))} for a batch of weights, ${formatType(w)}`,
      "rank 3 or more",
    );
  }
}

function gatherQmmGuard(call: OpCall): void {
  if ((call.inputs[4] ?? call.inputs[5] ?? null) === null) {
    quantizedMatmulGuard(call);
    return;
  }
  const w = checkProduct(call);
  checkRank(call, input(call, 0), 2);
  checkBatchIndices(call, 4, "lhs_indices", input(call, 0));
  checkBatchIndices(call, 5, "rhs_indices", w);
}

function fromFp8Guard(call: OpCall): void {
  if (has(call, "dtype") && !String(call.attributes.dtype).includes("float")) {
    refuse(call, "dtype_unsupported", `dtype is ${call.attributes.dtype}`, "a float");
  }
}

const SCHEME = {
  group_size: {
    kind: "int",
    optional: true,
    doc: "How many values share a scale: 32, 64 or 128 for affine (64), 32 for mxfp4 and mxfp8, 16 for nvfp4.",
  },
  bits: {
    kind: "int",
    optional: true,
    doc: "Bits of a value: 1, 2, 3, 4, 5, 6 or 8 for affine (4), 4 for mxfp4 and nvfp4, 8 for mxfp8.",
  },
  mode: {
    kind: "string",
    default: "affine",
    values: ["affine", "mxfp4", "mxfp8", "nvfp4"],
    doc: "How values are stored.",
  },
} as const;
const TRANSPOSE = {
  kind: "bool",
  default: true,
  doc: "Whether the product is with the transposed weight.",
} as const;

/** Quantized weights, and products with them. */
export const QUANTIZATION = {
  quantize: {
    doc: "A matrix in few bits: packed values, scales, and biases for the affine mode.",
    operands: ["w", "global_scale?"],
    attributes: SCHEME,
    outputs: { attribute: "mode", equals: "affine", count: 3, otherwise: 2 },
    guard: quantizeGuard,
  },
  dequantize: {
    doc: "The matrix that `quantize` packed.",
    operands: ["w", "scales", "biases?", "global_scale?"],
    attributes: {
      ...SCHEME,
      dtype: {
        kind: "dtype",
        optional: true,
        doc: "The result's element type; the scales', or bfloat16.",
      },
    },
    guard: dequantizeGuard,
  },
  quantized_matmul: {
    doc: "The product with a packed matrix.",
    operands: ["x", "w", "scales", "biases?"],
    work: "contraction",
    attributes: { transpose: TRANSPOSE, ...SCHEME },
    guard: quantizedMatmulGuard,
  },
  gather_qmm: {
    doc: "Products of those matrices of two batches, the second one packed, that indices name. Indices are clamped into range.",
    operands: ["x", "w", "scales", "biases?", "lhs_indices?", "rhs_indices?"],
    roles: { lhs_indices: "index", rhs_indices: "index" },
    work: "contraction",
    attributes: {
      transpose: TRANSPOSE,
      ...SCHEME,
      sorted_indices: {
        kind: "bool",
        default: false,
        doc: "Whether the indices are sorted, which lets MLX go faster.",
      },
    },
    guard: gatherQmmGuard,
  },
  to_fp8: {
    doc: "Floats as bytes of 8-bit floats, E4M3.",
    operands: ["x"],
    attributes: {},
  },
  from_fp8: {
    doc: "8-bit floats, E4M3, as floats.",
    operands: ["x"],
    attributes: { dtype: { kind: "dtype", default: "bfloat16", doc: "A float." } },
    guard: fromFp8Guard,
  },
} as const satisfies OpFamily;
