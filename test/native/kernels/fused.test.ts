import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled } from "../../support/data.js";
import { constant } from "../../support/graphs.js";
import { type Case, computed, describeKernels, type Node } from "../../support/kernels.js";

const INTEGERS: Dtype[] = [
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "int8",
  "int16",
  "int32",
  "int64",
];
const FLOATS: Dtype[] = ["float32", "float16", "bfloat16", "float64"];
/** Around the sizes of blocks, and one that is shared by threads. */
const SIZES = [1, 7, 1023, 1024, 1025, 3000, 300_000];

const ARITHMETIC: Node[] = [
  { op: "add", inputs: [0, 1] },
  { op: "multiply", inputs: [2, 0] },
  { op: "subtract", inputs: [3, 1] },
  { op: "maximum", inputs: [4, 0] },
  { op: "minimum", inputs: [5, 3] },
  { op: "negative", inputs: [6] },
  { op: "abs", inputs: [7] },
  { op: "square", inputs: [8] },
  { op: "sign", inputs: [9] },
  { op: "greater", inputs: [0, 1] },
  { op: "where", inputs: [11, 3, 9] },
];

const cases: Case[] = [
  ...[...INTEGERS, ...FLOATS].map((dtype) =>
    computed(
      `a chain of ${dtype}, its ends and what is between`,
      [filled(dtype, [2, 1025], "any", 1), filled(dtype, [2, 1025], "any", 2)],
      ARITHMETIC,
      [2, 5, 9, 10, 11, 12],
    ),
  ),
  ...INTEGERS.map((dtype) =>
    computed(
      `quotients, remainders, bits and shifts of ${dtype}`,
      [filled(dtype, [1500], "any", 3), filled(dtype, [1500], "any", 4)],
      ["floor_divide", "remainder", "bitwise_and", "bitwise_or", "bitwise_xor"].map((op) => ({
        op,
        inputs: [0, 1],
      })),
      [2, 3, 4, 5, 6],
    ),
  ),
  ...FLOATS.map((dtype) =>
    computed(
      `quotients and remainders of ${dtype}`,
      [filled(dtype, [1500], "any", 3), filled(dtype, [1500], "any", 4)],
      ["divide", "floor_divide", "remainder", "power", "logaddexp", "arctan2"].map((op) => ({
        op,
        inputs: [0, 1],
      })),
      [2, 3, 4, 5, 6, 7],
    ),
  ),
  ...["bool" as Dtype, ...INTEGERS, ...FLOATS].flatMap((from) =>
    (
      ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"] as Dtype[]
    ).map((to) =>
      computed(
        `${from} as ${to}`,
        [filled(from, [1100], "any", 5)],
        [
          { op: "astype", inputs: [0], attributes: { dtype: to } },
          { op: "astype", inputs: [1], attributes: { dtype: "float32" } },
          { op: "multiply", inputs: [2, 2] },
        ],
      ),
    ),
  ),
  ...SIZES.map((size) =>
    computed(
      `exp(x) + y / 2 of ${size}`,
      [filled("float32", [size], "any", 6), filled("float32", [size], "any", 7)],
      [
        { op: "exp", inputs: [0] },
        constant(2),
        { op: "divide", inputs: [1, 3] },
        { op: "add", inputs: [2, 4] },
      ],
    ),
  ),
  computed(
    "rows and columns broadcast against each other, one of them transposed",
    [
      filled("float32", [65, 1], "any", 8),
      filled("float32", [65, 33], "any", 9),
      filled("float32", [33, 65], "any", 10),
    ],
    [
      { op: "transpose", inputs: [2] },
      { op: "add", inputs: [0, 1] },
      { op: "multiply", inputs: [4, 3] },
      { op: "tanh", inputs: [5] },
    ],
  ),
  computed(
    "a whole transposed tensor",
    [filled("float32", [300, 200], "any", 11)],
    [
      { op: "transpose", inputs: [0] },
      { op: "exp", inputs: [1] },
      { op: "sigmoid", inputs: [2] },
    ],
  ),
  computed(
    "a slice with steps",
    [filled("float32", [40, 50], "any", 12)],
    [
      { op: "slice", inputs: [0], attributes: { start: [1, 3], stop: [39, 50], strides: [2, 3] } },
      { op: "multiply", inputs: [1, 1] },
      { op: "negative", inputs: [2] },
    ],
  ),
  ...FLOATS.flatMap((dtype) =>
    [
      { shape: [37, 100], axes: [1] },
      { shape: [3, 4, 5, 6], axes: [2, 3] },
      { shape: [5000], axes: [0] },
      { shape: [2, 140_000], axes: [1] },
    ].map(({ shape, axes }) =>
      computed(
        `reductions of ${dtype}[${shape}] over ${axes}`,
        [filled(dtype, shape, "any", 13)],
        [
          { op: "square", inputs: [0] },
          ...["sum", "mean", "max", "min"].map((op) => ({ op, inputs: [1], attributes: { axes } })),
          { op: "greater", inputs: [0, 1] },
          { op: "all", inputs: [6], attributes: { axes } },
          { op: "any", inputs: [6], attributes: { axes } },
        ],
        [2, 3, 4, 5, 7, 8],
        // Ours are sums of sums, and of halves they are rounded once.
        dtype === "bfloat16" ? 5e-2 : dtype === "float16" ? 1e-2 : 1e-3,
      ),
    ),
  ),
  ...INTEGERS.map((dtype) =>
    computed(
      `sums and products of ${dtype}`,
      [filled(dtype, [20, 70], "any", 14)],
      ["sum", "prod", "max", "min"].map((op) => ({ op, inputs: [0], attributes: { axes: [1] } })),
      [1, 2, 3, 4],
    ),
  ),
  ...(["float32", "float16", "bfloat16"] as Dtype[]).flatMap((dtype) =>
    [
      [3, 7],
      [65, 1024],
      [2, 3, 2049],
    ].map((shape) =>
      computed(
        `softmax and logsumexp of ${dtype}[${shape}]`,
        [filled(dtype, shape, "any", 15)],
        [
          { op: "softmax", inputs: [0], attributes: { axes: [-1] } },
          { op: "logsumexp", inputs: [0], attributes: { axes: [-1] } },
        ],
        [1, 2],
        dtype === "float32" ? 1e-5 : 3e-2,
      ),
    ),
  ),
  computed(
    "a condition that is also what is chosen, and values after it",
    [
      filled("float32", [1025], "any", 20),
      filled("float32", [1025], "any", 21),
      filled("float32", [1025], "any", 22),
    ],
    [
      { op: "greater", inputs: [0, 1] },
      { op: "less", inputs: [0, 2] },
      { op: "where", inputs: [3, 4, 3] },
      { op: "greater", inputs: [1, 2] },
      { op: "logical_and", inputs: [5, 6] },
      { op: "logical_not", inputs: [7] },
      { op: "not_equal", inputs: [8, 5] },
    ],
  ),
  computed(
    "layer_norm and what follows",
    [
      filled("float32", [70, 384], "any", 16),
      filled("float32", [384], "any", 17),
      filled("float32", [384], "any", 18),
    ],
    [
      { op: "fast.layer_norm", inputs: [0, 1, 2], attributes: { eps: 1e-5 } },
      { op: "multiply", inputs: [3, 0] },
      { op: "fast.rms_norm", inputs: [4, 1], attributes: { eps: 1e-5 } },
    ],
    [3, 5],
    1e-4,
  ),
  computed(
    "rows that are used before and after a product",
    [filled("float32", [48, 48], "any", 19)],
    [
      { op: "tanh", inputs: [0] },
      { op: "matmul", inputs: [1, 0] },
      { op: "add", inputs: [2, 1] },
      { op: "sum", inputs: [3], attributes: { axes: [1], keepdims: true } },
      { op: "divide", inputs: [3, 4] },
      { op: "sum", inputs: [5], attributes: { axes: [0], keepdims: true } },
      { op: "subtract", inputs: [5, 6] },
    ],
    [1, 4, 7],
    1e-3,
  ),
];

describeKernels("fused kernels", cases);
