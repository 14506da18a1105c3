import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled, tensor } from "../../support/data.js";
import {
  type Case,
  computed,
  describeKernels,
  FACTOR_DTYPES,
  functionOf,
  type Node,
  SUM_TOLERANCE,
} from "../../support/kernels.js";

interface Scheme {
  readonly bits: number;
  readonly group_size: number;
  readonly mode?: string;
}

/**
 * Packs `matrix` and multiplies. With `dtype`, the product is of float32, rounded to it: MLX rounds every sum of half
 * precision, the kernels only the last.
 */
function product(
  op: "quantized_matmul" | "gather_qmm",
  inputs: number,
  [x, matrix, ...indices]: readonly [number, number, ...number[]],
  attributes: Scheme & { readonly transpose: boolean },
  dtype?: Dtype,
): Node[] {
  const { transpose: _, ...scheme } = attributes;
  const parts = scheme.mode === undefined ? 3 : 2;
  const nodes: Node[] = [
    { op: "quantize", inputs: [matrix], attributes: { ...scheme }, outputs: parts },
  ];
  let operands = [x, ...Array.from({ length: parts }, (_, part) => inputs + part)];
  if (dtype !== undefined) {
    // The packed numbers, and scales that are bytes, stay.
    operands = operands.map((value, place) => {
      if (place === 1 || (place > 1 && parts === 2)) return value;
      nodes.push({ op: "astype", inputs: [value], attributes: { dtype: "float32" } });
      return inputs + parts + nodes.length - 2;
    });
  }
  nodes.push({ op, inputs: [...operands, ...indices], attributes: { ...attributes } });
  if (dtype !== undefined) {
    nodes.push({
      op: "astype",
      inputs: [inputs + parts + nodes.length - 2],
      attributes: { dtype },
    });
  }
  return nodes;
}

/** A product of x[..., depth] with a matrix that the graph packs. */
function packed(
  dtype: Dtype,
  x: readonly number[],
  w: readonly number[],
  scheme: Scheme,
  transpose = true,
): Case {
  const inputs = [filled(dtype, x, "unit", 1), filled(dtype, w, "unit", 2)];
  const nodes = (as?: Dtype) =>
    product("quantized_matmul", 2, [0, 1], { ...scheme, transpose }, as);
  return {
    ...computed(
      `${dtype}[${x}] by ${Object.values(scheme)} bits of ${transpose ? "transposed " : ""}[${w}]`,
      inputs,
      nodes(),
      undefined,
      SUM_TOLERANCE[dtype],
    ),
    reference: functionOf(inputs, nodes(dtype)),
  };
}

/** Products of two batches of matrices that indices name. */
function gathered(dtype: Dtype, rows: number, transpose: boolean): Case {
  const inputs = [
    filled(dtype, [3, rows, 128], "unit", 7),
    filled(dtype, transpose ? [4, 70, 128] : [4, 128, 64], "unit", 8),
    tensor("uint32", [2, 4], [0, 2, 1, 1, 2, 0, 0, 1]),
    tensor("uint32", [2, 4], [3, 0, 0, 3, 1, 3, 0, 3]),
  ];
  const nodes = (as?: Dtype) =>
    product("gather_qmm", 4, [0, 1, 2, 3], { bits: 4, group_size: 64, transpose }, as);
  return {
    ...computed(
      `${dtype} matrices of ${rows} rows by packed ones that indices name${transpose ? ", transposed" : ""}`,
      inputs,
      nodes(),
      undefined,
      SUM_TOLERANCE[dtype],
    ),
    reference: functionOf(inputs, nodes(dtype)),
  };
}

/** A product of float32 with a matrix whose scales and biases have half precision, which the product casts. */
function mixed(dtype: Dtype, x: readonly number[], transpose: boolean): Case {
  const shape = transpose ? [90, 128] : [x.at(-1) as number, 64];
  return computed(
    `float32[${x}] by a ${transpose ? "transposed " : ""}matrix with scales of ${dtype}`,
    [filled("float32", x, "unit", 9), filled(dtype, shape, "unit", 10)],
    product("quantized_matmul", 2, [0, 1], { bits: 4, group_size: 32, transpose }),
    undefined,
    SUM_TOLERANCE.float32,
  );
}

const ROWS = [1, 2, 3, 16, 17, 50, 250];
const FLOATING = [
  { bits: 4, group_size: 32, mode: "mxfp4" },
  { bits: 8, group_size: 32, mode: "mxfp8" },
  { bits: 4, group_size: 16, mode: "nvfp4" },
];

const cases: Case[] = [
  ...[1, 2, 3, 4, 5, 6, 8].flatMap((bits) =>
    [32, 64, 128].flatMap((group_size) => [
      packed("float32", [1, 384], [70, 384], { bits, group_size }),
      packed("float16", [2, 384], [9, 384], { bits, group_size }),
      packed("bfloat16", [30, 384], [33, 384], { bits, group_size }),
      packed("float32", [3, 70], [70, 256], { bits, group_size }, false),
    ]),
  ),
  ...ROWS.flatMap((rows) => [
    packed("float32", [rows, 576], [300, 576], { bits: 4, group_size: 64 }),
    packed("float32", [rows, 300], [300, 320], { bits: 4, group_size: 64 }, false),
  ]),
  ...FACTOR_DTYPES.flatMap((dtype) =>
    FLOATING.flatMap((scheme) => [
      packed(dtype, [1, 320], [50, 320], scheme),
      packed(dtype, [40, 320], [50, 320], scheme),
      packed(dtype, [5, 50], [50, 320], scheme, false),
    ]),
  ),
  ...(["float16", "bfloat16"] as const).flatMap((dtype) => [
    ...[[1, 128], [5, 128], [70, 128], [2, 3, 128], [128]].map((x) => mixed(dtype, x, true)),
    mixed(dtype, [3, 50], false),
  ]),
  packed("float32", [2, 3, 5, 64], [40, 64], { bits: 4, group_size: 32 }),
  packed("float32", [3, 5, 64], [3, 40, 64], { bits: 8, group_size: 32 }),
  packed("float32", [2, 3, 5, 64], [3, 40, 64], { bits: 6, group_size: 32 }),
  packed("float32", [2, 1, 5, 64], [3, 40, 64], { bits: 2, group_size: 32 }),
  packed("float32", [64], [40, 64], { bits: 4, group_size: 32 }),
  packed("float32", [1, 32], [1, 32], { bits: 4, group_size: 32 }),
  packed("float32", [0, 32], [4, 32], { bits: 4, group_size: 32 }),
  computed(
    "a transposed operand and a slice of a packed matrix",
    [filled("float32", [128, 20], "unit", 3), filled("float32", [90, 128], "unit", 4)],
    [
      { op: "transpose", inputs: [0] },
      { op: "quantize", inputs: [1], attributes: { bits: 4, group_size: 64 }, outputs: 3 },
      ...[3, 4, 5].map((value) => ({
        op: "slice",
        inputs: [value],
        attributes: { start: [1, 0], stop: [90, value === 3 ? 16 : 2], strides: [3, 1] },
      })),
      {
        op: "quantized_matmul",
        inputs: [2, 6, 7, 8],
        attributes: { bits: 4, group_size: 64, transpose: true },
      },
    ],
    undefined,
    1e-4,
  ),
  computed(
    "derivatives by the operand, the scales and the biases",
    [filled("float32", [6, 128], "unit", 5), filled("float32", [40, 128], "unit", 6)],
    [
      { op: "quantize", inputs: [1], attributes: { bits: 4, group_size: 64 }, outputs: 3 },
      {
        op: "quantized_matmul",
        inputs: [0, 2, 3, 4],
        attributes: { bits: 4, group_size: 64, transpose: true },
      },
      { op: "square", inputs: [5] },
      {
        op: "quantized_matmul",
        inputs: [5, 2, 3, 4],
        attributes: { bits: 4, group_size: 64, transpose: false },
      },
    ],
    [5, 6, 7],
    1e-3,
  ),
  ...FACTOR_DTYPES.flatMap((dtype) =>
    [true, false].flatMap((transpose) => [1, 5].map((rows) => gathered(dtype, rows, transpose))),
  ),
];

describeKernels("products with packed matrices", cases);
