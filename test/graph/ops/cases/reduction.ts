import type { Attributes } from "../../../../src/graph/graph.js";
import { type Fill, filled, specials } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";
import { grid, isInexact, likeFloat32, together } from "./common.js";

const AXES: readonly Attributes[] = [
  {},
  { keepdims: true },
  { axes: [0] },
  { axes: [-1], keepdims: true },
  { axes: [2, 0] },
];

/** Over every choice of axes, long rows too, a scalar, and special values. */
function reduction(
  fill: Fill = "any",
  more: readonly Attributes[] = [{ axes: [] }, { axes: [], keepdims: true }],
): OpCases {
  return together(
    grid([[3, 4, 5]], [...AXES, ...more], fill),
    grid([[300], [2, 130]], [{}, { axes: [0] }], fill),
    grid([[]], [{}], fill),
    {
      calls: (dtype) =>
        isInexact(dtype) ? [{ inputs: [specials(dtype)] }, { inputs: [filled(dtype, [7])] }] : [],
    },
  );
}

/** For reductions that have a value for nothing. */
const empty = grid([[2, 0, 3]], [{}, { axes: [1] }, { axes: [0], keepdims: true }]);
/** For the others: nothing beside the axes that are reduced. */
const emptyBeside = grid([[2, 0, 3]], [{ axes: [0] }, { axes: [-1], keepdims: true }]);

const argReduction = together(
  grid([[3, 4, 5]], [{}, { axis: 0 }, { axis: -1, keepdims: true }, { keepdims: true }]),
  grid([[]], [{}, { keepdims: true }]),
  grid([[6]], [{ axis: 0 }, {}], "unit"),
);

function scan(fill: Fill = "any", more: readonly Attributes[] = []): OpCases {
  return together(
    grid(
      [[3, 4, 5]],
      [
        {},
        { axis: 0 },
        { axis: -1, reverse: true },
        { axis: 1, inclusive: false },
        { axis: 2, reverse: true, inclusive: false },
        ...more,
      ],
      fill,
    ),
    grid([[2, 0, 3]], [{ axis: 1 }, { axis: 0 }, {}], fill),
    grid([[1]], [{ axis: 0 }], fill),
  );
}

const softmax = together(
  grid(
    [[3, 4, 5]],
    [{ axes: [-1] }, {}, { axes: [0] }, { axes: [1, 2] }, { axes: [-1], precise: true }],
    "small",
  ),
  grid([[2, 0]], [{ axes: [-1] }, {}]),
  { calls: (dtype) => (isInexact(dtype) ? [{ inputs: [specials(dtype)] }] : []) },
);

const casts: readonly Attributes[] = [{ axis: 1, dtype: "float32" }, { dtype: "int32" }];

export const REDUCTION_CASES: CaseTable = {
  all: together(reduction("small"), empty),
  any: together(reduction("small"), empty),
  count_nonzero: together(reduction("small"), empty),
  number_of_elements: grid(
    [[3, 4], [], [2, 0]],
    [{}, { dtype: "float32", inverted: true }, { axes: [], dtype: "int64" }],
  ),
  sum: together(reduction(), empty),
  prod: together(reduction("unit"), grid([[3, 4]], [{ axes: [0] }], "small"), empty),
  mean: together(reduction(), empty),
  max: together(reduction(), emptyBeside),
  min: together(reduction(), emptyBeside),
  median: reduction("any", []),
  minmax: reduction(),
  logsumexp: likeFloat32(reduction("small")),
  var: together(
    reduction("any", [{ axes: [] }, { ddof: 1 }, { axes: [1], ddof: 2 }, { ddof: 100 }]),
    empty,
  ),
  std: together(
    reduction("any", [{ axes: [] }, { ddof: 1 }, { axes: [1], ddof: 2 }, { ddof: 100 }]),
    empty,
  ),
  argmax: argReduction,
  argmin: argReduction,
  softmax: likeFloat32(softmax),
  cumsum: scan("any", casts),
  cumprod: scan("small", casts),
  cummax: scan(),
  cummin: scan(),
  logcumsumexp: scan("small"),
  diff: together(
    grid([[3, 4, 5]], [{}, { axis: 0 }, { n: 2, axis: 1 }, { n: 0 }, { n: 5 }, { n: 7 }]),
    grid([[0], [2, 0], [1]], [{}]),
  ),
};
