import { filled, scalar, specials, tensor } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";
import { grid, isInexact, together } from "./common.js";

const special: OpCases = {
  calls: (dtype) => (isInexact(dtype) ? [{ inputs: [specials(dtype)] }] : []),
};

const sort = together(
  grid([[3, 4, 5]], [{}, { axis: 0 }, { axis: -2 }]),
  grid([[300], [1], [0], [2, 0, 3]], [{}]),
  special,
);

const partition = grid([[3, 4, 5]], [{ kth: 2 }, { kth: 1, axis: 0 }, { kth: -1, axis: 1 }]);

const unique: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [4, 5], "small");
    const every = { return_index: true, return_inverse: true, return_counts: true };
    return [
      { inputs: [a], attributes: { size: 20 } },
      { inputs: [a, scalar(dtype, 1)], attributes: { size: 30, ...every } },
      { inputs: [a], attributes: { size: 2, return_counts: true } },
      { inputs: [a], attributes: { size: 0 } },
      { inputs: [filled(dtype, [])], attributes: { size: 1, return_inverse: true } },
      { inputs: [filled(dtype, [0]), scalar(dtype, 1)], attributes: { size: 3 } },
      { inputs: [filled(dtype, [0])], attributes: { size: 0 } },
    ];
  },
};

const searchsorted: OpCases = {
  calls: (dtype) => {
    const sorted = tensor(
      dtype,
      [5],
      dtype === "complex64" ? [0, 0, 1, 0, 1, 0, 2, 0, 3, 0] : [0, 1, 1, 2, 3],
    );
    return [undefined, "left", "right"].flatMap((side) =>
      [[2, 3], [], [0]].map((shape) => ({
        inputs: [sorted, filled(dtype, shape, "small")],
        attributes: side === undefined ? {} : { side },
      })),
    );
  },
};

export const SORTING_CASES: CaseTable = {
  sort,
  argsort: sort,
  partition,
  argpartition: partition,
  topk: together(
    grid([[3, 4, 5]], [{ k: 2 }, { k: 0 }, { k: 5 }, { k: 1, axis: 0 }, { k: 3, axis: 1 }]),
    grid([[0, 4]], [{ k: 2 }]),
  ),
  searchsorted,
  unique,
};
