import type { CaseTable } from "../../../support/op-cases.js";
import { grid, together } from "./common.js";

const ranks = grid([[], [3], [2, 3], [2, 3, 4], [0], [0, 3]], [{}]);

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
  as_strided: asStrided,
  contiguous: grid([[3, 4], [], [0, 2]], [{}, { allow_col_major: true }]),
};
