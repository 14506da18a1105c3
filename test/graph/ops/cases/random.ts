import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { filled, scalar, type TestTensor, tensor } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";
import { together } from "./common.js";

const key = tensor("uint32", [2], [3, 1234567]);

const SHAPES = [[3, 4], [], [0, 2], [129]];

/** Values drawn into several shapes, as the dtype asks. */
function drawn(
  operands: (dtype: Dtype) => readonly (TestTensor | null)[] = () => [],
  attributes: Attributes = {},
): OpCases {
  return {
    calls: (dtype) =>
      SHAPES.map((shape) => ({
        inputs: [key, ...operands(dtype)],
        attributes: { shape, ...attributes, dtype },
      })),
  };
}

/** A dtype's own default, and a key that is not row by row. */
const plain = (attributes: Attributes): OpCases => ({
  calls: (dtype) => (dtype === "float32" ? [{ inputs: [key], attributes }] : []),
});

export const RANDOM_CASES: CaseTable = {
  "random.key": {
    dtypes: ["uint32"],
    calls: () =>
      [0, 7, 2 ** 40 + 3, 2n ** 64n - 1n].map((seed) => ({ inputs: [], attributes: { seed } })),
  },
  "random.split": {
    dtypes: ["uint32"],
    calls: () => [
      { inputs: [key] },
      { inputs: [key], attributes: { num: 5 } },
      { inputs: [key], attributes: { num: 0 } },
    ],
  },
  "random.bits": {
    dtypes: ["uint32"],
    calls: () =>
      [1, 2, 4].flatMap((width) =>
        [[8], [3, 4], [], [129], [0]].map((shape) => ({
          inputs: [key],
          attributes: { shape, width },
        })),
      ),
  },
  "random.uniform": together(
    drawn(),
    drawn((dtype) => [scalar(dtype, 1), scalar(dtype, 3)]),
    drawn((dtype) => [null, scalar(dtype, 2)]),
    plain({ shape: [5] }),
  ),
  "random.normal": together(
    drawn(),
    drawn((dtype) => [scalar(dtype, 1), null]),
    drawn(() => [null, scalar("float32", 2)]),
    plain({ shape: [5] }),
  ),
  "random.multivariate_normal": {
    dtypes: ["float32"],
    calls: () => {
      const mean = tensor("float32", [2], [1, -1]);
      const covariance = tensor("float32", [2, 2], [2, 0.5, 0.5, 1]);
      return [[], [5], [2, 3], [0]].map((shape) => ({
        inputs: [key, mean, covariance],
        attributes: { shape },
        tolerance: 1e-5,
      }));
    },
  },
  "random.randint": together(
    drawn(() => [scalar("int32", 0), scalar("int32", 100)]),
    {
      calls: (dtype) => [
        {
          inputs: [key, scalar("int32", 1), tensor("int32", [3], [2, 5, 120])],
          attributes: { shape: [4, 3], dtype },
        },
        ...(dtype === "int32"
          ? [{ inputs: [key, scalar(dtype, -5), scalar(dtype, 5)], attributes: { shape: [9] } }]
          : []),
      ],
    },
  ),
  "random.bernoulli": {
    calls: (dtype) => [
      { inputs: [key, filled(dtype, [3, 4], "unit")] },
      { inputs: [key, filled(dtype, [4], "unit")], attributes: { shape: [3, 4] } },
      ...(dtype === "float32"
        ? [{ inputs: [key] }, { inputs: [key, null], attributes: { shape: [7] } }]
        : []),
    ],
  },
  "random.truncated_normal": together(
    drawn((dtype) => [scalar(dtype, 0), scalar(dtype, 1)]),
    {
      calls: (dtype) => [
        {
          inputs: [key, filled("float32", [3, 1], "unit"), filled("float32", [4], "positive")],
          attributes: { dtype },
        },
      ],
    },
  ),
  "random.gumbel": together(drawn(), plain({ shape: [5] })),
  "random.laplace": together(
    drawn(),
    drawn(() => [], { loc: 1, scale: 2 }),
    plain({ shape: [5] }),
  ),
  "random.categorical": {
    calls: (dtype) => [
      { inputs: [key, filled(dtype, [3, 4], "small")] },
      { inputs: [key, filled(dtype, [3, 4], "small")], attributes: { axis: 0 } },
      { inputs: [key, filled(dtype, [3, 4], "small")], attributes: { num_samples: 6 } },
      { inputs: [key, filled(dtype, [3, 4], "small")], attributes: { axis: 0, num_samples: 2 } },
      { inputs: [key, filled(dtype, [3, 4], "small")], attributes: { shape: [5, 3] } },
      { inputs: [key, filled(dtype, [4], "small")], attributes: { num_samples: 0 } },
    ],
  },
  "random.permutation": {
    calls: (dtype) => [
      { inputs: [key, filled(dtype, [5, 3])] },
      { inputs: [key, filled(dtype, [5, 3])], attributes: { axis: 1 } },
      { inputs: [key, filled(dtype, [2, 4])], attributes: { axis: -1 } },
      { inputs: [key, filled(dtype, [0, 3])] },
    ],
  },
};
