import { describe, expect, it } from "vitest";
import type { Attributes } from "../../../src/graph/graph.js";
import { checkCall } from "../../../src/graph/ops/index.js";
import type { TensorType } from "../../../src/tensor/dtype.js";
import { filled, type TestTensor, tensor } from "../../support/data.js";
import { describeFatal, type Fatal } from "../../support/fatal.js";
import { codeOf } from "../../support/op-cases.js";
import { runOp } from "../../support/run-op.js";

const float = (...shape: number[]): TensorType => ({ dtype: "float32", shape });
const double = (...shape: number[]): TensorType => ({ dtype: "float64", shape });
const int = (...shape: number[]): TensorType => ({ dtype: "int32", shape });
const words = (...shape: number[]): TensorType => ({ dtype: "uint32", shape });
const bytes = (...shape: number[]): TensorType => ({ dtype: "uint8", shape });

type Refused = readonly [string, readonly (TensorType | null)[], Attributes, string];

const SCALES = float(4, 1);

/** Calls that are refused: op, operands, attributes, code. */
const REFUSED: readonly Refused[] = [
  [
    "fast.rope",
    [float(1, 2, 4), null, null],
    { dims: 4, traditional: false, scale: 1 },
    "attribute_invalid",
  ],
  [
    "fast.rope",
    [float(1, 2, 4), null, float(2)],
    { dims: 4, traditional: false, scale: 1, base: 1 },
    "attribute_invalid",
  ],
  [
    "fast.rope",
    [float(1, 2, 4), float(), null],
    { dims: 4, traditional: false, scale: 1, base: 1 },
    "dtype_unsupported",
  ],
  [
    "fast.scaled_dot_product_attention",
    [float(1, 2, 3, 4), float(1, 0, 3, 4), float(1, 0, 3, 4)],
    { scale: 1 },
    "shape_invalid",
  ],
  [
    "fast.scaled_dot_product_attention",
    [float(1, 2, 3, 4), float(1, 2, 3, 4), float(1, 2, 4, 4)],
    { scale: 1 },
    "shape_invalid",
  ],
  [
    "fast.scaled_dot_product_attention",
    [float(1, 2, 3, 4), float(1, 2, 3, 4), float(1, 2, 3, 4), float(3, 3)],
    { scale: 1, mask_mode: "causal" },
    "attribute_invalid",
  ],
  ["fast.cross_entropy", [float(), int()], {}, "shape_invalid"],
  ["fast.cross_entropy", [float(2, 0), int(2)], {}, "shape_invalid"],
  ["fast.cross_entropy", [float(2, 3), float(2)], {}, "dtype_unsupported"],
  ["fast.cross_entropy", [float(2, 3), int(3)], {}, "shape_invalid"],
  [
    "fast.gated_delta_update",
    [float(1, 4, 0, 8), float(1, 4, 0, 8), float(1, 4, 4, 8), float(1, 4, 4), float(1, 4, 4)],
    {},
    "shape_invalid",
  ],
  [
    "fast.gated_delta_update",
    [float(1, 4, 2, 8), float(1, 5, 2, 8), float(1, 4, 4, 8), float(1, 4, 4), float(1, 4, 4)],
    {},
    "shape_invalid",
  ],

  ["quantize", [float(4, 64)], { group_size: 0 }, "attribute_invalid"],
  ["quantize", [float(4, 64)], { group_size: 16 }, "attribute_invalid"],
  ["quantize", [float(4, 64)], { bits: 7 }, "attribute_invalid"],
  ["quantize", [float(4, 64)], { mode: "mxfp4", group_size: 0 }, "attribute_invalid"],
  ["quantize", [float(64)], {}, "shape_invalid"],
  ["quantize", [float(4, 65)], {}, "shape_invalid"],
  ["quantize", [float(0, 64)], { mode: "mxfp4" }, "shape_invalid"],
  ["quantize", [float(3, 16)], { mode: "nvfp4" }, "shape_invalid"],
  ["quantize", [float(4, 64), float()], {}, "attribute_invalid"],
  ["quantize", [double(4, 64)], {}, "dtype_unsupported"],
  ["dequantize", [words(4, 8), SCALES, null], {}, "arity_invalid"],
  ["dequantize", [words(4, 8), SCALES, float(4, 2)], {}, "shape_invalid"],
  ["dequantize", [words(4, 8), SCALES, SCALES], { bits: 0 }, "attribute_invalid"],
  ["dequantize", [words(8), float(1), float(1)], {}, "shape_invalid"],
  [
    "quantized_matmul",
    [float(3, 64), words(4, 8), SCALES, SCALES],
    { bits: 0 },
    "attribute_invalid",
  ],
  ["quantized_matmul", [float(3, 64), words(8), SCALES, SCALES], {}, "shape_invalid"],
  ["quantized_matmul", [float(3, 64), words(4, 8), float(1, 1), float(1, 1)], {}, "shape_invalid"],
  ["quantized_matmul", [float(3, 32), words(4, 8), SCALES, SCALES], {}, "shape_invalid"],
  ["quantized_matmul", [float(3, 64), int(4, 8), SCALES, SCALES], {}, "dtype_unsupported"],
  ["quantized_matmul", [float(3, 64), words(4, 8), double(4, 1), SCALES], {}, "dtype_unsupported"],
  [
    "quantized_matmul",
    [float(3, 64), words(2, 4, 8), float(2, 4, 1), float(2, 4, 1)],
    {},
    "shape_invalid",
  ],
  [
    "quantized_matmul",
    [float(3, 64), words(4, 8), bytes(4, 2), SCALES],
    { mode: "mxfp4" },
    "arity_invalid",
  ],
  [
    "gather_qmm",
    [float(0, 3, 64), words(2, 4, 8), float(2, 4, 1), float(2, 4, 1), int(1), null],
    {},
    "shape_invalid",
  ],
  ["from_fp8", [bytes(3)], { dtype: "int32" }, "dtype_unsupported"],
];

describe("what the table refuses before MLX sees it", () => {
  it.each(REFUSED)("%s of %o with %o", (op, inputs, attributes, code) => {
    expect(codeOf(() => checkCall({ op, inputs, attributes }))).toBe(code);
  });
});

const of = (...shape: number[]): TestTensor => filled("float32", shape);
const packed = (rows: number) => [
  { type: words(rows, 8), bytes: new Uint8Array(rows * 32) },
  of(rows, 1),
  of(rows, 1),
];

const FATAL: readonly Fatal[] = [
  {
    title: "attention to no heads",
    python:
      "mx.fast.scaled_dot_product_attention(mx.ones((1, 2, 3, 4)), mx.ones((1, 0, 3, 4)), mx.ones((1, 0, 3, 4)), scale=1.0)",
    ours: () =>
      runOp("fast.scaled_dot_product_attention", [of(1, 2, 3, 4), of(1, 0, 3, 4), of(1, 0, 3, 4)], {
        scale: 1,
      }),
    code: "shape_invalid",
  },
  {
    title: "a target that is no class",
    python: "mx.fast.cross_entropy(mx.zeros((2, 3)), mx.array([0, 900000000]))",
    ours: () => runOp("fast.cross_entropy", [of(2, 3), tensor("int32", [2], [0, 900_000_000])]),
  },
  {
    title: "a gated delta network without heads",
    python:
      "mx.fast.gated_delta_update(mx.ones((1, 4, 0, 8)), mx.ones((1, 4, 0, 8)), mx.ones((1, 4, 4, 8)), mx.ones((1, 4, 4)), mx.ones((1, 4, 4)))",
    ours: () =>
      runOp("fast.gated_delta_update", [
        of(1, 4, 0, 8),
        of(1, 4, 0, 8),
        of(1, 4, 4, 8),
        of(1, 4, 4),
        of(1, 4, 4),
      ]),
    code: "shape_invalid",
  },
  {
    title: "quantizing in groups of none",
    python: "mx.quantize(mx.zeros((4, 64)), group_size=0)",
    ours: () => runOp("quantize", [of(4, 64)], { group_size: 0 }),
    code: "attribute_invalid",
  },
  {
    title: "a quantized product of no bits",
    python:
      "mx.quantized_matmul(mx.zeros((3, 64)), mx.zeros((4, 8), mx.uint32), mx.ones((4, 1)), mx.ones((4, 1)), bits=0)",
    ours: () => runOp("quantized_matmul", [of(3, 64), ...packed(4)], { bits: 0 }),
    code: "attribute_invalid",
  },
  {
    title: "a quantized product of no rows",
    python:
      "mx.quantized_matmul(mx.zeros((0, 64)), mx.zeros((4, 8), mx.uint32), mx.ones((4, 1)), mx.ones((4, 1)))",
    ours: () => runOp("quantized_matmul", [of(0, 64), ...packed(4)]),
  },
  {
    title: "a quantized product with an empty weight",
    python:
      "mx.quantized_matmul(mx.zeros((3, 64)), mx.zeros((0, 8), mx.uint32), mx.ones((0, 1)), mx.ones((0, 1)))",
    ours: () => runOp("quantized_matmul", [of(3, 64), ...packed(0)]),
  },
];

describeFatal(FATAL);
