import { filled, scalar } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";
import { grid, together } from "./common.js";

const ranks = grid([[], [3], [2, 3], [2, 3, 4], [0], [0, 3]], [{}]);

/** Several operands of one shape, or that differ along one axis, with other dtypes among them. */
function joined(...axes: readonly number[]): OpCases {
  return {
    calls: (dtype) => [
      { inputs: [filled(dtype, [2, 3], "any", 1), filled(dtype, [2, 3], "any", 2)] },
      ...axes.map((axis) => ({
        inputs: [1, 2, 3].map((seed) => filled(dtype, [2, 3, 4], "any", seed)),
        attributes: { axis },
      })),
      { inputs: [filled(dtype, [2, 3]), filled("float32", [2, 3])], attributes: { axis: 0 } },
      { inputs: [filled(dtype, [2, 3])] },
      { inputs: [filled(dtype, [0, 3]), filled(dtype, [0, 3])] },
    ],
  };
}

const pad: OpCases = {
  calls: (dtype) => [
    { inputs: [filled(dtype, [2, 3]), null], attributes: { pad_width: [1, 2, 0, 3] } },
    { inputs: [filled(dtype, [2, 3])], attributes: { pad_width: [0, 0, 0, 0] } },
    { inputs: [filled(dtype, [2, 3]), scalar(dtype, 1)], attributes: { pad_width: [1, 0, 2, 1] } },
    { inputs: [filled(dtype, [])], attributes: { pad_width: [] } },
    { inputs: [filled(dtype, [0, 2])], attributes: { pad_width: [1, 1, 0, 0] } },
    ...["constant", "edge", "reflect", "symmetric"].flatMap((mode) => [
      { inputs: [filled(dtype, [3, 4])], attributes: { pad_width: [2, 1, 0, 3], mode } },
      { inputs: [filled(dtype, [3])], attributes: { pad_width: [7, 8], mode } },
      { inputs: [filled(dtype, [1])], attributes: { pad_width: [2, 2], mode } },
    ]),
  ],
};

const asStrided = grid(
  [[3, 4]],
  [
    { shape: [4, 3], strides: [1, 4] },
    { shape: [3, 2], strides: [4, 2], offset: 1 },
    { shape: [10, 3], strides: [1, 1] },
    { shape: [2, 5], strides: [0, 2] },
    { shape: [12], strides: [-1], offset: 11 },
    { shape: [], strides: [], offset: 5 },
    { shape: [0, 3], strides: [4, 1] },
  ],
);

export const SHAPE_CASES: CaseTable = {
  reshape: together(
    grid([[3, 4]], [{ shape: [12] }, { shape: [2, -1, 3] }, { shape: [4, 3] }, { shape: [3, 4] }]),
    grid([[]], [{ shape: [] }, { shape: [1, 1] }]),
    grid([[0, 3]], [{ shape: [3, 0, 5] }, { shape: [-1, 3] }, { shape: [0] }]),
  ),
  flatten: together(
    grid([[2, 3, 4]], [{}, { start_axis: 1 }, { end_axis: 1 }, { start_axis: -2, end_axis: -1 }]),
    grid([[], [3], [2, 0]], [{}]),
  ),
  unflatten: grid(
    [[2, 12]],
    [
      { axis: 1, shape: [3, 4] },
      { axis: -1, shape: [2, -1, 3] },
      { axis: 0, shape: [2] },
    ],
  ),
  squeeze: together(
    grid([[1, 3, 1]], [{}, { axes: [0] }, { axes: [-1, 0] }, { axes: [] }]),
    grid([[1, 0], [], [1, 1]], [{}]),
  ),
  expand_dims: grid([[2, 3], [], [0]], [{ axes: [0] }, { axes: [0, -1] }, { axes: [] }]),
  atleast_1d: ranks,
  atleast_2d: ranks,
  atleast_3d: ranks,
  transpose: together(
    grid([[2, 3, 4]], [{}, { axes: [1, 0, 2] }, { axes: [-1, 0, 1] }]),
    grid([[], [3], [0, 2]], [{}]),
  ),
  matrix_transpose: grid(
    [
      [2, 3],
      [2, 3, 4],
      [0, 2],
    ],
    [{}],
  ),
  swapaxes: grid(
    [
      [2, 3, 4],
      [0, 1, 2],
    ],
    [
      { axis1: 0, axis2: 2 },
      { axis1: -1, axis2: 1 },
      { axis1: 1, axis2: 1 },
    ],
  ),
  moveaxis: grid(
    [
      [2, 3, 4],
      [0, 1, 2],
    ],
    [
      { source: 0, destination: 2 },
      { source: -1, destination: 0 },
    ],
  ),
  flip: together(
    grid([[2, 3, 4]], [{}, { axes: [0] }, { axes: [-1, 0] }, { axes: [] }]),
    grid([[], [0, 3], [1]], [{}]),
  ),
  roll: together(
    grid(
      [[3, 4]],
      [
        { shift: [2] },
        { shift: [-5] },
        { shift: [1, 2] },
        { shift: [1], axes: [0] },
        { shift: [-1, 6], axes: [0, -1] },
        { shift: [4], axes: [1] },
        { shift: [], axes: [] },
      ],
    ),
    grid([[0, 3]], [{ shift: [1] }, { shift: [2], axes: [1] }]),
    grid([[]], [{ shift: [1] }]),
  ),
  broadcast_to: together(
    grid([[3]], [{ shape: [2, 3] }, { shape: [3] }, { shape: [0, 3] }]),
    grid([[2, 1]], [{ shape: [4, 2, 3] }, { shape: [2, 0] }]),
    grid([[]], [{ shape: [2, 2] }, { shape: [] }]),
  ),
  broadcast_arrays: {
    calls: (dtype) => [
      { inputs: [filled(dtype, [3, 1]), filled("int32", [4]), filled(dtype, [])] },
      { inputs: [filled(dtype, [2, 3])] },
      { inputs: [filled(dtype, [0, 1]), filled(dtype, [1, 3])] },
    ],
  },
  repeat: together(
    grid(
      [[2, 3]],
      [
        { repeats: 2 },
        { repeats: 3, axis: 0 },
        { repeats: 1, axis: -1 },
        { repeats: 0, axis: 1 },
        { repeats: 0 },
      ],
    ),
    grid([[], [0, 2]], [{ repeats: 2 }]),
  ),
  tile: grid(
    [[2, 3], [], [0, 2]],
    [{ reps: [2] }, { reps: [2, 3] }, { reps: [2, 1, 2] }, { reps: [] }, { reps: [0, 1] }],
  ),
  pad,
  concatenate: together(joined(0, 1, -1), {
    calls: (dtype) => [
      {
        inputs: [filled(dtype, [2, 1]), filled(dtype, [2, 0]), filled(dtype, [2, 3])],
        attributes: { axis: 1 },
      },
    ],
  }),
  stack: together(joined(0, 1, -1, 3), {
    calls: (dtype) => [{ inputs: [filled(dtype, []), filled(dtype, [])] }],
  }),
  split: together(
    grid(
      [[6, 4]],
      [
        { sections: 3 },
        { sections: 2, axis: 1 },
        { sections: 1, axis: -1 },
        { indices: [2, 5] },
        { indices: [], axis: 1 },
        { indices: [0, 3, 9], axis: 0 },
        { indices: [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6], axis: 0 },
      ],
    ),
    grid([[0, 4]], [{ sections: 2 }, { sections: 2, axis: 1 }]),
  ),
  unstack: together(grid([[3, 4]], [{}, { axis: 1 }, { axis: -2 }]), grid([[2, 0]], [{}])),
  as_strided: asStrided,
  contiguous: grid([[3, 4], [], [0, 2]], [{}, { allow_col_major: true }]),
};
