import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { type Fill, filled, type TestTensor, tensor } from "../../../support/data.js";
import type { CaseTable, OpCase, OpCases } from "../../../support/op-cases.js";

type Shape = readonly number[];

const ints = (dtype: Dtype, shape: Shape, ...values: number[]) => tensor(dtype, shape, values);

const BOUNDS: readonly (readonly [Shape, Attributes])[] = [
  [[5, 6], { start: [1, 2], stop: [4, 6] }],
  [[5, 6], { start: [0, 0], stop: [5, 6] }],
  [[5, 6], { start: [-3, 0], stop: [99, -1], strides: [1, 2] }],
  [[5, 6], { start: [4, 5], stop: [-6, 1], strides: [-1, -2] }],
  [[5, 6], { start: [3, 0], stop: [2, 6] }],
  [[5, 6], { start: [0, 0], stop: [5, 6], strides: [99, 3] }],
  [[], { start: [], stop: [] }],
  [[0, 3], { start: [0, 1], stop: [9, 3] }],
];

const slice: OpCases = {
  calls: (dtype) => [
    ...BOUNDS.map(
      ([shape, attributes]): OpCase => ({ inputs: [filled(dtype, shape)], attributes }),
    ),
    // MLX itself adds the stride to a size in 32 bits, and finds nothing.
    {
      inputs: [filled(dtype, [5])],
      attributes: { start: [0], stop: [5], strides: [2 ** 31 - 1] },
      expected: [first(dtype, filled(dtype, [5]))],
    },
  ],
};

/** The first element of a vector, as a vector. */
function first(dtype: Dtype, { type, bytes }: TestTensor): TestTensor {
  const width = bytes.length / (type.shape[0] as number);
  return { type: { dtype, shape: [1] }, bytes: bytes.slice(0, width) };
}

/** Updates of a part, of all, of nothing; broadcast, and cast. */
function sliceUpdate(fill: Fill): OpCases {
  return {
    calls: (dtype) => {
      const whole = { start: [0, 0], stop: [5, 6] };
      const part = { start: [1, 2], stop: [4, 6] };
      const calls: readonly (readonly [Shape, Shape, Attributes])[] = [
        [[5, 6], [3, 4], part],
        [[5, 6], [4], part],
        [[5, 6], [], part],
        [[5, 6], [5, 6], whole],
        [[5, 6], [3, 3], { start: [0, 5], stop: [5, -7], strides: [2, -2] }],
        [[5, 6], [2, 1], { start: [0, 5], stop: [2, 6] }],
        [[5, 6], [0, 6], { start: [3, 0], stop: [3, 6] }],
        [[], [], { start: [], stop: [] }],
      ];
      return [
        ...calls.map(
          ([src, update, attributes]): OpCase => ({
            inputs: [filled(dtype, src, fill, 1), filled(dtype, update, fill, 2)],
            attributes,
          }),
        ),
        {
          inputs: [filled(dtype, [5, 6], fill, 1), filled("int32", [3, 4], "positive", 2)],
          attributes: part,
        },
      ];
    },
  };
}

/** In range, at its end, before it and far beyond it; every dtype of indices. */
const dynamicSlice: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [5, 6]);
    const call = (start: TestTensor, axes: readonly number[], slice_size: Shape): OpCase => ({
      inputs: [a, start],
      attributes: { axes, slice_size },
    });
    return [
      call(ints("int32", [2], 1, 2), [0, 1], [3, 4]),
      call(ints("int32", [2], 4, -3), [0, 1], [3, 4]),
      call(ints("int64", [1], 2 ** 40), [-1], [5, 2]),
      call(ints("uint8", [1], 255), [1], [5, 6]),
      call(ints("int8", [1], -128), [0], [2, 6]),
      call(ints("uint64", [], 3), [0], [1, 6]),
      call(ints("uint32", [1], 4294967295), [0], [5, 1]),
      call(ints("int16", [2], 3, 3), [1, 0], [2, 0]),
      { inputs: [filled(dtype, []), ints("int32", [0])], attributes: { axes: [], slice_size: [] } },
      {
        inputs: [filled(dtype, [0, 3]), ints("int32", [1], 5)],
        attributes: { axes: [0], slice_size: [0, 3] },
      },
    ];
  },
};

const dynamicUpdate: OpCases = {
  calls: (dtype) => {
    const call = (update: Shape, start: TestTensor, axes: readonly number[]): OpCase => ({
      inputs: [filled(dtype, [5, 6], "any", 1), filled(dtype, update, "any", 2), start],
      attributes: { axes },
    });
    return [
      call([2, 3], ints("int32", [2], 1, 2), [0, 1]),
      call([2, 3], ints("int32", [2], 900, -900), [0, 1]),
      call([3], ints("uint8", [1], 255), [1]),
      call([3], ints("int64", [1], 2), [0]),
      call([], ints("int32", [2], 4, -1), [0, 1]),
      call([5, 6], ints("int32", [1], 3), [0]),
      call([0, 6], ints("int32", [1], 3), [0]),
      call([2, 2], ints("int32", [2], 9, 1), [-1, -2]),
      {
        inputs: [filled(dtype, [4]), filled("float32", [2], "positive"), ints("int32", [], 1)],
        attributes: { axes: [0] },
      },
    ];
  },
};

export const SLICING_CASES: CaseTable = {
  slice,
  slice_update: sliceUpdate("any"),
  slice_update_add: sliceUpdate("small"),
  slice_update_prod: sliceUpdate("small"),
  slice_update_max: sliceUpdate("any"),
  slice_update_min: sliceUpdate("any"),
  dynamic_slice: dynamicSlice,
  dynamic_slice_update: dynamicUpdate,
};
