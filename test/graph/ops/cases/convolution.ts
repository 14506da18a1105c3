import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { filled, tensor } from "../../../support/data.js";
import type { CaseTable, OpCase, OpCases } from "../../../support/op-cases.js";

type Shape = readonly number[];
type Call = readonly [input: Shape, weight: Shape, attributes?: Attributes];

/** Sums of many products: the order of adding shows. */
const TOLERANCE: Partial<Record<Dtype, number>> = { float16: 2e-2, bfloat16: 2e-1, float32: 1e-5 };

/** Calls that every dtype can do, then those that float64 cannot: with dilation, or groups. */
function convolutions(
  plain: readonly Call[],
  others: readonly Call[],
  zeros: readonly Call[],
): OpCases {
  const toCase = (dtype: Dtype, [input, weight, attributes = {}]: Call): OpCase => {
    const tolerance = TOLERANCE[dtype];
    return {
      inputs: [filled(dtype, input, "small", 1), filled(dtype, weight, "small", 2)],
      attributes,
      ...(tolerance === undefined ? {} : { tolerance }),
    };
  };
  return {
    calls: (dtype) => [
      ...plain.map((call) => toCase(dtype, call)),
      ...(dtype === "float64" ? [] : others.map((call) => toCase(dtype, call))),
      ...zeros.map((call) => ({ ...toCase(dtype, call), expected: [zerosOf(dtype, call)] })),
    ],
  };
}

/** What MLX dies of is a sum over nothing: zeros of the size that strides of 1 give. */
function zerosOf(dtype: Dtype, [input, weight]: Call) {
  const spatial = input.slice(1, -1).map((size, axis) => size - (weight[axis + 1] as number) + 1);
  const shape = [input[0] as number, ...spatial, weight[0] as number];
  return tensor(
    dtype,
    shape,
    Array<number>(shape.reduce((a, b) => a * b, dtype === "complex64" ? 2 : 1)).fill(0),
  );
}

const conv1d = convolutions(
  [
    [
      [2, 8, 3],
      [4, 3, 3],
    ],
    [[2, 8, 3], [4, 3, 3], { stride: [2], padding: [1] }],
    [
      [1, 3, 2],
      [1, 3, 2],
    ],
    [
      [0, 8, 3],
      [4, 3, 3],
    ],
    [[1, 0, 3], [4, 3, 3], { padding: [2] }],
  ],
  [
    [[1, 9, 3], [2, 3, 3], { dilation: [2] }],
    [[1, 8, 4], [6, 3, 2], { groups: 2 }],
    [[1, 8, 4], [4, 3, 1], { groups: 4, padding: [1], dilation: [2], stride: [3] }],
  ],
  [
    [
      [1, 8, 0],
      [4, 3, 0],
    ],
    [
      [1, 8, 2],
      [0, 3, 2],
    ],
  ],
);

const conv2d = convolutions(
  [
    [
      [2, 6, 7, 3],
      [4, 3, 2, 3],
    ],
    [[1, 6, 7, 3], [4, 3, 3, 3], { stride: [2, 1], padding: [1] }],
    [[1, 6, 7, 3], [4, 1, 1, 3], { padding: [-1, 0] }],
    [
      [0, 6, 6, 3],
      [4, 3, 3, 3],
    ],
  ],
  [
    [[1, 7, 7, 3], [2, 3, 3, 3], { dilation: [2, 1] }],
    [[1, 6, 6, 4], [6, 3, 3, 2], { groups: 2 }],
    [[1, 6, 6, 4], [4, 3, 3, 1], { groups: 4, stride: [2], padding: [1, 2] }],
  ],
  [
    [
      [1, 4, 4, 0],
      [4, 3, 3, 0],
    ],
    [
      [1, 4, 4, 2],
      [0, 3, 3, 2],
    ],
  ],
);

const conv3d = convolutions(
  [
    [
      [1, 4, 5, 3, 2],
      [3, 2, 3, 1, 2],
    ],
    [[1, 4, 4, 4, 2], [3, 2, 2, 2, 2], { stride: [2], padding: [1, 0, 1] }],
    [
      [0, 4, 4, 4, 2],
      [3, 2, 2, 2, 2],
    ],
  ],
  [[[1, 5, 5, 5, 2], [3, 2, 2, 2, 2], { dilation: [2, 1, 2] }]],
  [
    [
      [1, 3, 3, 3, 0],
      [2, 2, 2, 2, 0],
    ],
    [
      [1, 3, 3, 3, 2],
      [0, 2, 2, 2, 2],
    ],
  ],
);

const transposed1d = convolutions(
  [
    [
      [2, 5, 3],
      [4, 3, 3],
    ],
    [[1, 5, 3], [4, 3, 3], { padding: [1], output_padding: [1] }],
    [
      [0, 5, 3],
      [4, 3, 3],
    ],
    [[1, 5, 3], [4, 3, 3], { padding: [3] }],
  ],
  [
    [[1, 5, 3], [4, 3, 3], { stride: [2], padding: [1], output_padding: [1] }],
    [[1, 5, 3], [4, 3, 3], { dilation: [2] }],
    [[1, 5, 4], [4, 3, 2], { groups: 2, stride: [2] }],
  ],
  [],
);

const transposed2d = convolutions(
  [
    [
      [1, 4, 5, 2],
      [3, 3, 2, 2],
    ],
    [[1, 4, 4, 2], [3, 3, 3, 2], { padding: [1, 0], output_padding: [0, 1] }],
  ],
  [
    [[1, 3, 4, 2], [3, 3, 3, 2], { stride: [2, 3] }],
    [[1, 3, 3, 2], [3, 2, 2, 2], { stride: [2], dilation: [1, 2] }],
    [[1, 3, 3, 4], [4, 2, 2, 2], { groups: 2 }],
  ],
  [],
);

const transposed3d = convolutions(
  [
    [
      [1, 2, 3, 2, 2],
      [3, 2, 2, 2, 2],
    ],
  ],
  [[[1, 2, 2, 2, 2], [3, 2, 2, 2, 2], { stride: [2, 1, 2] }]],
  [],
);

const general = convolutions(
  [
    [
      [2, 8, 3],
      [4, 3, 3],
    ],
    [[2, 8, 3], [4, 3, 3], { padding_lo: [1], padding_hi: [2], flip: true }],
    [[1, 8, 3], [4, 3, 3], { padding_lo: [-2], padding_hi: [-1] }],
    [[1, 5, 6, 2], [3, 2, 3, 2], { stride: [1, 2], padding_lo: [0, 1], padding_hi: [1, 0] }],
    [
      [1, 3, 3, 3, 2],
      [2, 2, 2, 2, 2],
    ],
  ],
  [
    [[1, 5, 3], [4, 3, 3], { input_dilation: [2], kernel_dilation: [2] }],
    [[1, 4, 4, 4], [4, 2, 2, 2], { groups: 2, input_dilation: [2, 1], flip: true }],
  ],
  [
    [
      [1, 4, 0],
      [2, 2, 0],
    ],
  ],
);

const convolve: OpCases = {
  calls: (dtype) =>
    (["full", "valid", "same"] as const).flatMap((mode) =>
      (
        [
          [7, 3],
          [3, 8],
          [6, 4],
          [1, 1],
          [5, 5],
        ] as const
      ).map(([a, v]) => ({
        inputs: [filled(dtype, [a], "small", 1), filled(dtype, [v], "small", 2)],
        attributes: { mode },
        tolerance: TOLERANCE[dtype] ?? 0,
      })),
    ),
};

export const CONVOLUTION_CASES: CaseTable = {
  conv1d,
  conv2d,
  conv3d,
  conv_transpose1d: transposed1d,
  conv_transpose2d: transposed2d,
  conv_transpose3d: transposed3d,
  conv_general: general,
  convolve,
};
