import { filled, scalar } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";
import { grid, together } from "./common.js";

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

export const JOINING_CASES: CaseTable = {
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
};
