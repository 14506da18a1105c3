import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { type Fill, filled, kindOf, type TestTensor, tensor } from "../../../support/data.js";
import type { CaseTable, OpCase, OpCases } from "../../../support/op-cases.js";

type Shape = readonly number[];

/** Two operands of given shapes, alike and with another dtype. */
function pairs(shapes: readonly (readonly [Shape, Shape])[], attributes: Attributes = {}): OpCases {
  return {
    calls: (dtype) => [
      ...shapes.map(
        ([a, b]): OpCase => ({
          inputs: [filled(dtype, a, "small", 1), filled(dtype, b, "small", 2)],
          attributes,
        }),
      ),
      ...shapes.slice(0, 1).map(
        ([a, b]): OpCase => ({
          inputs: [filled(dtype, a, "small", 3), filled("float32", b, "small", 4)],
          attributes,
        }),
      ),
    ],
  };
}

const matmul = pairs([
  [
    [3, 4],
    [4, 5],
  ],
  [[4], [4]],
  [[2, 3, 4], [4]],
  [[4], [2, 4, 3]],
  [
    [2, 1, 3, 4],
    [5, 4, 2],
  ],
  [
    [2, 3, 4],
    [4, 5],
  ],
  [
    [0, 4],
    [4, 3],
  ],
  [
    [3, 0],
    [0, 4],
  ],
  [
    [0, 2, 3],
    [0, 3, 2],
  ],
  [
    [33, 65],
    [65, 17],
  ],
]);

const addmm: OpCases = {
  calls: (dtype) =>
    (
      [
        [[3, 5], [3, 4], [4, 5], {}],
        [[5], [3, 4], [4, 5], { alpha: 0.5, beta: 2 }],
        [[], [2, 3, 4], [4, 5], { beta: 0 }],
        [[2, 3, 5], [2, 3, 4], [2, 4, 5], { alpha: -1 }],
        [[1], [4], [4, 3], {}],
        [[2, 3], [2, 0], [0, 3], {}],
        [[], [0, 3], [3, 2], {}],
      ] as const
    ).map(([c, a, b, attributes]) => ({
      inputs: [
        filled(dtype, c, "small", 1),
        filled(dtype, a, "small", 2),
        filled(dtype, b, "small", 3),
      ],
      attributes,
    })),
};

const tensordot: OpCases = {
  calls: (dtype) =>
    (
      [
        [[2, 3, 4], [3, 4, 5], {}],
        [[2, 3], [3, 2], { axes: 1 }],
        [[2, 3], [2], { axes: 0 }],
        [[], [], { axes: 0 }],
        [[2, 3, 4], [4, 5, 2], { axes_a: [0, -1], axes_b: [2, 0] }],
        [[2, 0], [0, 3], { axes: 1 }],
        [[2, 3], [4], { axes_a: [], axes_b: [] }],
      ] as const
    ).map(([a, b, attributes]) => ({
      inputs: [filled(dtype, a, "small", 1), filled(dtype, b, "small", 2)],
      attributes,
    })),
};

const EINSUMS: readonly (readonly [string, ...Shape[]])[] = [
  ["ij->ji", [2, 3]],
  ["ij,jk->ik", [2, 3], [3, 4]],
  ["ij,jk", [2, 3], [3, 4]],
  ["bij,bjk->bik", [2, 3, 4], [2, 4, 5]],
  ["ii->i", [3, 3]],
  ["ii", [3, 3]],
  ["ij->", [2, 3]],
  ["i,j->ij", [2], [3]],
  ["ij,jk,kl->il", [2, 3], [3, 4], [4, 5]],
  ["...ij,...jk->...ik", [2, 2, 3], [3, 4]],
  ["...i->...", [2, 3, 4]],
  ["i...->...", [2, 3, 4]],
  ["ij , ij -> ij", [1, 3], [2, 3]],
  [",->", [], []],
  ["->", []],
  ["ij,jk->ik", [2, 0], [0, 3]],
  ["ijij->ij", [2, 3, 2, 3]],
];

/** What is a product of matrices, which integers do not have. */
const CONTRACTIONS = ["ij,jk->ik", "ij,jk", "bij,bjk->bik", "ij,jk,kl->il", "...ij,...jk->...ik"];

const einsum: OpCases = {
  calls: (dtype) =>
    EINSUMS.filter(
      ([subscripts]) =>
        !CONTRACTIONS.includes(subscripts) || ["float", "complex"].includes(kindOf(dtype)),
    ).map(([subscripts, ...shapes]) => ({
      inputs: shapes.map((shape, seed) => filled(dtype, shape, "small", seed + 1)),
      attributes: { subscripts },
    })),
};

const outer = pairs([
  [[3], [4]],
  [[2, 2], [3]],
  [[], []],
  [[0], [3]],
]);

const kron = pairs([
  [[2, 3], [3]],
  [[], [3]],
  [
    [2, 2],
    [3, 1, 2],
  ],
]);

const inner = pairs([
  [[4], [4]],
  [
    [2, 4],
    [3, 4],
  ],
  [[], [3]],
  [[0], [0]],
  [
    [2, 0],
    [3, 0],
  ],
]);

const vecdot: OpCases = {
  calls: (dtype) =>
    (
      [
        [[3, 4], [3, 4], {}],
        [[3, 4], [3, 1], { axis: 0 }],
        [[0], [0], {}],
        [[2, 0], [2, 0], {}],
      ] as const
    ).map(([a, b, attributes]) => ({
      inputs: [filled(dtype, a, "small", 1), filled(dtype, b, "small", 2)],
      attributes,
    })),
};

function mask(dtype: Dtype, shape: Shape, seed: number): TestTensor {
  return filled(dtype, shape, dtype === "bool" ? "any" : "small", seed);
}

const blockMasked: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [40, 50], "small", 1);
    const b = filled(dtype, [50, 70], "small", 2);
    return [
      {
        inputs: [a, b, mask("bool", [2, 3], 3), mask("bool", [2, 2], 4), mask("bool", [2, 3], 5)],
        attributes: { block_size: 32 },
      },
      { inputs: [a, b, mask("float32", [2, 3], 3), null, null], attributes: { block_size: 32 } },
      {
        inputs: [a, b, null, mask("float32", [2, 2], 4), mask("float32", [2, 3], 5)],
        attributes: { block_size: 32 },
      },
      { inputs: [a, b, mask("bool", [1, 2], 3), null, null] },
      { inputs: [a, b, null, null, null], attributes: { block_size: 64 } },
      {
        inputs: [
          filled(dtype, [0, 40], "small"),
          filled(dtype, [40, 40], "small"),
          mask("bool", [0, 2], 1),
          null,
          null,
        ],
        attributes: { block_size: 32 },
      },
    ].map((one) => ({ ...one, tolerance: 1e-5 }));
  },
};

const indices = (dtype: Dtype, ...values: number[]) => tensor(dtype, [values.length], values);

const gatherMm: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [3, 2, 4], "small", 1);
    const b = filled(dtype, [5, 4, 3], "small", 2);
    return [
      { inputs: [a, b, indices("uint32", 0, 2, 1), indices("uint32", 4, 0, 3)] },
      { inputs: [a, b, indices("int32", 0, -7, 99), indices("int64", 4, 5, -1)] },
      { inputs: [a, b, indices("uint8", 0, 255), indices("int8", -128, 127)] },
      {
        inputs: [filled(dtype, [2, 4], "small"), b, null, indices("uint32", 1, 1, 3)],
        attributes: { sorted_indices: true },
      },
      { inputs: [a, b, indices("uint32"), indices("uint32")] },
      {
        inputs: [
          filled(dtype, [3, 2, 0]),
          filled(dtype, [3, 0, 2]),
          indices("uint32", 1),
          indices("uint32", 2),
        ],
      },
      {
        inputs: [filled(dtype, [3, 0, 4]), b, indices("uint32", 1), indices("uint32", 2)],
        expected: [tensor("float32", [1, 0, 3], [])],
      },
    ];
  },
};

const segmented: OpCases = {
  calls: (dtype) => {
    const a = filled(dtype, [3, 8], "small", 1);
    const b = filled(dtype, [8, 2], "small", 2);
    const cuts = (kind: Dtype, ...values: number[]) => tensor(kind, [values.length / 2, 2], values);
    return [
      { inputs: [a, b, cuts("uint32", 0, 3, 3, 8, 2, 2)] },
      { inputs: [a, b, cuts("int32", -5, 3, 3, 900, 7, 2)] },
      { inputs: [a, b, tensor("uint32", [2], [1, 4])] },
      { inputs: [a, b, tensor("uint32", [0, 2], [])] },
      { inputs: [filled(dtype, [2, 0]), filled(dtype, [0, 3]), cuts("uint32", 0, 0)] },
      {
        inputs: [filled(dtype, [0, 4]), filled(dtype, [4, 3]), cuts("uint32", 0, 2)],
        expected: [tensor(dtype, [1, 0, 3], [])],
      },
    ];
  },
};

const hadamard = (fill: Fill): OpCases => ({
  calls: (dtype) =>
    (
      [
        [[16], {}],
        [[3, 12], { scale: 1 }],
        [[2, 40], {}],
        [[1], {}],
        [[], { scale: 2 }],
        [[2, 1], { scale: 0.5 }],
      ] as const
    ).map(([shape, attributes]) => ({ inputs: [filled(dtype, shape, fill)], attributes })),
});

export const MATMUL_CASES: CaseTable = {
  matmul,
  addmm,
  inner,
  outer,
  vecdot,
  tensordot,
  einsum,
  kron,
  block_masked_mm: blockMasked,
  gather_mm: gatherMm,
  segmented_mm: segmented,
  hadamard_transform: hadamard("small"),
};
