import type { Attributes } from "../../../src/graph/graph.js";
import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled, scalar, specials, type TestTensor, tensor } from "../../support/data.js";
import { type Case, computed, describeKernels } from "../../support/kernels.js";

const SIZES: Dtype[] = ["bool", "float16", "float32", "float64", "complex64"];

/** Shapes around the sides of squares, and orders of their dimensions. */
const ORDERS: readonly (readonly [shape: readonly number[], axes: readonly number[]])[] = [
  [
    [65, 67],
    [1, 0],
  ],
  [
    [1500, 3],
    [1, 0],
  ],
  [
    [3, 1500],
    [1, 0],
  ],
  [
    [300, 500],
    [1, 0],
  ],
  [
    [8, 16, 33, 5],
    [0, 2, 1, 3],
  ],
  [
    [8, 16, 33, 5],
    [3, 2, 1, 0],
  ],
  [
    [7, 30, 40],
    [2, 0, 1],
  ],
];

const moves: Case[] = [
  ...SIZES.flatMap((dtype) =>
    ORDERS.map(([shape, axes]) =>
      computed(
        `${dtype}[${shape}] in the order ${axes}`,
        [filled(dtype, shape, "any", 1)],
        [
          { op: "transpose", inputs: [0], attributes: { axes } },
          { op: "contiguous", inputs: [1] },
        ],
      ),
    ),
  ),
  computed(
    "a transposed tensor in another shape",
    [filled("float32", [96, 128], "any", 2)],
    [
      { op: "transpose", inputs: [0] },
      { op: "reshape", inputs: [1], attributes: { shape: [64, 192] } },
    ],
  ),
  computed(
    "a dimension of a strided tensor in two, which is seen where it lies, and two in one, which are not",
    [filled("float32", [20, 64, 30], "any", 3)],
    [
      { op: "slice", inputs: [0], attributes: { start: [0, 0, 3], stop: [20, 64, 28] } },
      { op: "reshape", inputs: [1], attributes: { shape: [20, 8, 8, 25] } },
      { op: "transpose", inputs: [2], attributes: { axes: [0, 2, 1, 3] } },
      { op: "flatten", inputs: [3], attributes: { start_axis: 1, end_axis: -1 } },
    ],
  ),
  computed(
    "every other element of every other row",
    [filled("int32", [300, 200], "any", 4)],
    [
      {
        op: "slice",
        inputs: [0],
        attributes: { start: [1, 1], stop: [300, 200], strides: [2, 2] },
      },
      { op: "contiguous", inputs: [1] },
    ],
  ),
  computed(
    "rows that are broadcast",
    [filled("int16", [1, 200], "any", 5)],
    [
      { op: "broadcast_to", inputs: [0], attributes: { shape: [100, 200] } },
      { op: "contiguous", inputs: [1] },
    ],
  ),
  ...[0, 1, 2].map((axis) =>
    computed(
      `tensors put together along ${axis}, one of them transposed`,
      [filled("float32", [20, 20, 20], "any", 6), filled("float32", [20, 20, 20], "any", 7)],
      [
        { op: "transpose", inputs: [1] },
        { op: "concatenate", inputs: [0, 2, 1], attributes: { axis } },
      ],
    ),
  ),
  ...SIZES.map((dtype) =>
    computed(
      `${dtype} with a rim`,
      [filled(dtype, [30, 200], "any", 8), scalar(dtype, 1)],
      [{ op: "pad", inputs: [0, 1], attributes: { pad_width: [1, 2, 3, 0] } }],
    ),
  ),
];

const SORTED: Dtype[] = [
  "bool",
  "uint8",
  "uint16",
  "uint32",
  "int8",
  "int16",
  "int32",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float64",
];

/** Twelve rows of what is special, each in another order, and long enough for either way to sort. */
function ordered(dtype: Dtype, times: number): TestTensor {
  const { bytes } = specials(dtype);
  const size = bytes.length / 12;
  const rows = Array.from({ length: 12 }, (_, turn) => {
    const row = Buffer.concat([bytes.slice(turn * size), bytes.slice(0, turn * size)]);
    return Buffer.concat(Array.from({ length: times }, () => row));
  });
  return {
    type: { dtype, shape: [12, 12 * times] },
    bytes: Uint8Array.from(Buffer.concat(rows)),
  };
}

const sorts: Case[] = ["sort", "argsort"].flatMap((op) => [
  ...SORTED.flatMap((dtype) =>
    [-1, 0, 1].map((axis) =>
      computed(
        `${op} of ${dtype} along ${axis}`,
        [filled(dtype, [17, 130, 7], "any", 9)],
        [{ op, inputs: [0], attributes: { axis } }],
      ),
    ),
  ),
  ...(["float16", "bfloat16", "float32"] as Dtype[]).flatMap((dtype) =>
    [4, 20].map((times) =>
      computed(
        `${op} of NaN, infinities and zeros, ${times} times, of ${dtype}`,
        [ordered(dtype, times)],
        [{ op, inputs: [0], attributes: { axis: 1 } }],
      ),
    ),
  ),
  computed(
    `${op} of a transposed tensor`,
    [filled("float32", [300, 40], "any", 10)],
    [
      { op: "transpose", inputs: [0] },
      { op, inputs: [1], attributes: { axis: 1 } },
    ],
  ),
  computed(
    `${op} of a long row`,
    [filled("float32", [700_000], "any", 11)],
    [{ op, inputs: [0], attributes: { axis: 0 } }],
  ),
]);

const bits: Case[] = [
  ...[4096, 4097, 8191, 100_003].flatMap((size) =>
    [1, 2, 4].map((width) =>
      computed(
        `${size} random words of ${width} bytes`,
        [tensor("uint32", [2], [size, 7])],
        [{ op: "random.bits", inputs: [0], attributes: { shape: [size], width } }],
      ),
    ),
  ),
  computed(
    "normal numbers",
    [tensor("uint32", [2], [3, 4])],
    [{ op: "random.normal", inputs: [0], attributes: { shape: [100, 101] } }],
    undefined,
    0,
  ),
];

interface Convolution {
  readonly input: readonly number[];
  readonly weight: readonly number[];
  readonly attributes: Attributes;
}

const CONVOLUTIONS: readonly Convolution[] = [
  { input: [2, 9, 11, 40], weight: [40, 3, 3, 1], attributes: { groups: 40 } },
  {
    input: [2, 9, 11, 9],
    weight: [9, 3, 2, 1],
    attributes: { groups: 9, stride: [2, 1], padding_lo: [1, 2], padding_hi: [0, 1] },
  },
  {
    input: [1, 20, 21, 33],
    weight: [33, 3, 3, 1],
    attributes: {
      groups: 33,
      kernel_dilation: [2, 3],
      flip: true,
      padding_lo: [2],
      padding_hi: [3],
    },
  },
  { input: [3, 50, 16], weight: [16, 5, 1], attributes: { groups: 16, padding_lo: [4] } },
  {
    input: [1, 9, 9, 16],
    weight: [16, 3, 3, 1],
    attributes: { groups: 16, input_dilation: [2], padding_lo: [2], padding_hi: [2], flip: true },
  },
  {
    input: [2, 9, 11, 5],
    weight: [7, 3, 3, 5],
    attributes: { input_dilation: [2, 3], padding_lo: [2], padding_hi: [2], flip: true },
  },
  {
    input: [1, 12, 6],
    weight: [4, 4, 6],
    attributes: { input_dilation: [3], padding_lo: [1], padding_hi: [5] },
  },
  {
    input: [1, 8, 8, 3],
    weight: [2, 3, 3, 3],
    attributes: {
      input_dilation: [2],
      stride: [3, 2],
      kernel_dilation: [1, 2],
      padding_lo: [-1, 3],
    },
  },
];

const convolutions: Case[] = [
  ...CONVOLUTIONS.map(({ input, weight, attributes }) =>
    computed(
      `a convolution of [${input}] with [${weight}], ${JSON.stringify(attributes)}`,
      [filled("float32", input, "small", 12), filled("float32", weight, "small", 13)],
      [{ op: "conv_general", inputs: [0, 1], attributes }],
      undefined,
      1e-5,
    ),
  ),
  computed(
    "a transposed convolution",
    [filled("float32", [2, 8, 8, 16], "small", 14), filled("float32", [8, 3, 3, 16], "small", 15)],
    [
      {
        op: "conv_transpose2d",
        inputs: [0, 1],
        attributes: { stride: [2], padding: [1], output_padding: [1] },
      },
    ],
    undefined,
    1e-5,
  ),
];

describeKernels("kernels that move, order and make up elements", [
  ...moves,
  ...sorts,
  ...bits,
  ...convolutions,
]);
