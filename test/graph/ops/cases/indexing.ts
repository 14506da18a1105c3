import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { type Fill, filled, scalar, type TestTensor, tensor } from "../../../support/data.js";
import type { CaseTable, OpCase, OpCases } from "../../../support/op-cases.js";

type Shape = readonly number[];

const ints = (dtype: Dtype, shape: Shape, ...values: number[]) => tensor(dtype, shape, values);

const take: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [3, 4, 5]);
    return [
      { inputs: [a, ints("int32", [4], 0, 2, 1, 2)], attributes: { axis: 0 } },
      { inputs: [a, ints("int32", [2, 2], -1, -4, 3, 99)], attributes: { axis: 1 } },
      { inputs: [a, ints("int64", [3], -900, 2 ** 40, -5)], attributes: { axis: -1 } },
      { inputs: [a, ints("uint64", [2], 4, 2 ** 53)], attributes: { axis: 2 } },
      { inputs: [a, ints("uint8", [2], 59, 255)] },
      { inputs: [a, ints("int8", [3], -128, 127, -1)] },
      { inputs: [a, ints("uint32", [2], 59, 4294967295)] },
      { inputs: [a, ints("int16", [], 1)], attributes: { axis: 1 } },
      { inputs: [a, ints("int32", [0])], attributes: { axis: 0 } },
      { inputs: [filled(dtype, [0, 3]), ints("int32", [0])], attributes: { axis: 0 } },
      { inputs: [filled(dtype, [0, 3]), ints("int32", [2], 1, 7)], attributes: { axis: 1 } },
      { inputs: [filled(dtype, []), ints("int32", [2], 0, 5)] },
    ];
  },
};

const takeAlong: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [3, 4]);
    return [
      { inputs: [a, ints("int32", [2, 4], 0, 1, 2, 0, 2, 2, 1, 0)], attributes: { axis: 0 } },
      { inputs: [a, ints("int32", [3, 2], -1, -5, 99, 3, -4, 4)], attributes: { axis: 1 } },
      { inputs: [a, ints("uint8", [1, 1], 255)], attributes: { axis: 1 } },
      { inputs: [a, ints("int64", [3, 0])], attributes: { axis: -1 } },
      {
        inputs: [filled(dtype, [3, 1]), ints("int8", [2, 2], -1, 2, -128, 127)],
        attributes: { axis: 0 },
      },
      { inputs: [filled(dtype, [0, 2]), ints("int32", [0, 2])], attributes: { axis: 0 } },
    ];
  },
};

const putAlong = (fill: Fill): OpCases => ({
  calls: (dtype) => {
    const a = filled(dtype, [3, 4], fill, 1);
    return [
      {
        inputs: [a, ints("int32", [1, 4], 0, 1, 2, 0), filled(dtype, [1, 4], fill, 2)],
        attributes: { axis: 0 },
      },
      {
        inputs: [a, ints("int32", [3, 2], -1, -5, 99, 2, -3, 4), filled(dtype, [3, 2], fill, 2)],
        attributes: { axis: 1 },
      },
      {
        inputs: [a, ints("uint8", [1, 4], 255, 0, 1, 2), filled(dtype, [], fill, 2)],
        attributes: { axis: 0 },
      },
      {
        inputs: [a, ints("int64", [3, 1], 1, 2, 3), filled("float32", [3, 1], "positive", 2)],
        attributes: { axis: -1 },
      },
      { inputs: [a, ints("int32", [3, 0]), filled(dtype, [3, 0], fill)], attributes: { axis: 1 } },
    ];
  },
});

const gather: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [3, 4, 5]);
    const call = (
      indices: readonly TestTensor[],
      axes: readonly number[],
      slice_sizes: Shape,
    ): OpCase => ({ inputs: [a, ...indices], attributes: { axes, slice_sizes } });
    return [
      call([ints("int32", [2], 0, 2)], [0], [1, 4, 5]),
      call([ints("int32", [2], 2, 9)], [0], [2, 2, 5]),
      call([ints("int32", [2], -1, -9)], [0], [2, 4, 1]),
      call([ints("int32", [2], 0, 2), ints("int32", [2], 1, 3)], [0, 2], [1, 4, 1]),
      call([ints("uint8", [2, 1], 0, 255), ints("int64", [3], -1, -5, 7)], [1, -1], [3, 2, 2]),
      call([ints("uint32", [], 1)], [1], [3, 1, 5]),
      call([ints("int32", [0])], [1], [3, 1, 5]),
      call([ints("int8", [2], -128, 127)], [2], [1, 1, 1]),
      call([ints("int32", [2], 0, 1)], [0], [1, 0, 5]),
      {
        inputs: [filled(dtype, [0]), ints("int32", [0])],
        attributes: { axes: [0], slice_sizes: [0] },
      },
    ];
  },
};

/** Places do not overlap, but where the order of updates does not matter. */
function scatter(fill: Fill, overlaps: boolean): OpCases {
  return {
    calls: (dtype) => {
      const a = filled(dtype, [3, 4], fill, 1);
      const call = (
        updates: Shape,
        indices: readonly TestTensor[],
        axes: readonly number[],
      ): OpCase => ({
        inputs: [a, filled(dtype, updates, fill, 2), ...indices],
        attributes: { axes },
      });
      return [
        call([2, 1, 4], [ints("int32", [2], 0, 2)], [0]),
        call([2, 1, 2], [ints("int32", [2], -3, 9), ints("int32", [2], -4, 2)], [0, 1]),
        call([2, 1, 1], [ints("uint8", [2], 1, 255), ints("int64", [1], -1)], [0, -1]),
        call([3, 1], [ints("uint32", [], 2)], [1]),
        call([0, 1, 4], [ints("int32", [0])], [0]),
        call([1, 2, 2], [ints("int32", [1], 99), ints("int32", [1], -99)], [0, 1]),
        ...(overlaps ? [call([3, 1, 4], [ints("int32", [3], 1, 1, -2)], [0])] : []),
        {
          inputs: [a, filled("float32", [1, 1, 4], "positive", 3), ints("int32", [1], 1)],
          attributes: { axes: [0] },
        },
      ];
    },
  };
}

const maskedScatter: OpCases = {
  calls: (dtype) => {
    const mask = tensor("bool", [2, 3], [1, 0, 1, 0, 0, 1]);
    return [
      { inputs: [filled(dtype, [2, 3], "any", 1), mask, filled(dtype, [3], "any", 2)] },
      { inputs: [filled(dtype, [2, 3], "any", 1), mask, filled(dtype, [9], "any", 2)] },
      { inputs: [filled(dtype, [2, 3, 4], "any", 1), mask, filled(dtype, [3, 4], "any", 2)] },
      { inputs: [filled(dtype, [2, 3], "any", 1), mask, scalar(dtype, 1)] },
      {
        inputs: [
          filled(dtype, [2, 3], "any", 1),
          tensor("bool", [2], [0, 1]),
          filled(dtype, [1, 3], "any", 2),
        ],
      },
    ];
  },
};

const diag: OpCases = {
  calls: (dtype) =>
    (
      [
        [[3], {}],
        [[3], { k: 2 }],
        [[3], { k: -1 }],
        [[0], {}],
        [[0], { k: 1 }],
        [[3, 4], {}],
        [[3, 4], { k: 2 }],
        [[3, 4], { k: -9 }],
        [[0, 3], {}],
      ] as const
    ).map(([shape, attributes]) => ({ inputs: [filled(dtype, shape)], attributes })),
};

const DIAGONALS: readonly Attributes[] = [
  {},
  { offset: 1 },
  { offset: -2, axis1: 1, axis2: 2 },
  { axis1: -1, axis2: 0 },
];

const diagonal: OpCases = {
  calls: (dtype) =>
    [...DIAGONALS, { offset: 99 }].map((attributes) => ({
      inputs: [filled(dtype, [3, 4, 5])],
      attributes,
    })),
};

const trace: OpCases = {
  calls: (dtype) => [
    ...[...DIAGONALS, { dtype: "float32" }, { dtype: "int32", offset: 2 }].map(
      (attributes): OpCase => ({ inputs: [filled(dtype, [3, 4, 5], "small")], attributes }),
    ),
    // Python MLX may never come back from a sum over an empty diagonal.
    {
      inputs: [filled(dtype, [3, 4])],
      attributes: { offset: 99, dtype: "float32" },
      expected: [scalar("float32", 0)],
    },
    {
      inputs: [filled(dtype, [0, 2, 3])],
      attributes: { dtype: "int64" },
      expected: [tensor("int64", [3], [0, 0, 0])],
    },
  ],
};

export const INDEXING_CASES: CaseTable = {
  take,
  take_along_axis: takeAlong,
  put_along_axis: putAlong("any"),
  scatter_add_axis: putAlong("small"),
  gather,
  scatter: scatter("any", false),
  scatter_add: scatter("small", true),
  scatter_prod: scatter("small", true),
  scatter_max: scatter("any", true),
  scatter_min: scatter("any", true),
  masked_scatter: maskedScatter,
  diag,
  diagonal,
  trace,
};
