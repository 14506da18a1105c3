import type { Attributes } from "../../../../src/graph/graph.js";
import { filled, scalar } from "../../../support/data.js";
import type { CaseTable, OpCases } from "../../../support/op-cases.js";
import { grid } from "./common.js";

/** Ops without operands: each set of attributes, with the dtype and, for the first dtype, without. */
function made(...sets: readonly Attributes[]): OpCases {
  return {
    calls: (dtype) =>
      sets.flatMap((attributes) => [
        { inputs: [], attributes: { ...attributes, dtype } },
        ...(dtype === "bool" ? [{ inputs: [], attributes }] : []),
      ]),
  };
}

const shapes = made({ shape: [2, 3] }, { shape: [] }, { shape: [2, 0] });

const like: OpCases = {
  calls: (dtype) =>
    [[2, 3], [], [0, 4]].flatMap((shape) => [
      { inputs: [filled(dtype, shape)] },
      { inputs: [filled(dtype, shape)], attributes: { dtype: "int16" } },
    ]),
};

const triangle = grid(
  [
    [3, 5],
    [2, 4, 3],
    [0, 3],
    [1, 1],
  ],
  [{}, { k: 1 }, { k: -1 }, { k: 9 }, { k: -9 }],
);

const window: OpCases = {
  dtypes: ["float32"],
  calls: () => [0, 1, 2, 9].map((M) => ({ inputs: [], attributes: { M } })),
};

export const CREATION_CASES: CaseTable = {
  full: {
    calls: (dtype) => [
      { inputs: [scalar(dtype, 1)], attributes: { shape: [2, 3] } },
      { inputs: [filled(dtype, [3])], attributes: { shape: [2, 3], dtype: "float32" } },
      { inputs: [filled("int32", [2, 1])], attributes: { shape: [2, 0], dtype } },
      { inputs: [scalar(dtype, 0)], attributes: { shape: [] } },
    ],
  },
  zeros: shapes,
  ones: shapes,
  full_like: {
    calls: (dtype) => [
      { inputs: [filled(dtype, [2, 3]), scalar(dtype, 1)] },
      { inputs: [filled(dtype, [2, 3]), filled("float32", [3])] },
      { inputs: [filled(dtype, [0, 3]), scalar(dtype, 1)], attributes: { dtype: "int8" } },
    ],
  },
  zeros_like: like,
  ones_like: like,
  arange: {
    calls: (dtype) => [
      { inputs: [], attributes: { start: 0, stop: 10, step: 1, dtype } },
      { inputs: [], attributes: { start: 2, stop: 11, step: 3, dtype } },
      { inputs: [], attributes: { start: 9, stop: 2, step: -2, dtype } },
      { inputs: [], attributes: { start: 3, stop: 3, dtype } },
      { inputs: [], attributes: { start: 5, stop: 0, dtype } },
      ...(dtype === "float32"
        ? [
            { inputs: [], attributes: { start: -1.5, stop: 2.25, step: 0.25 } },
            { inputs: [], attributes: { start: 0, stop: 7 } },
            { inputs: [], attributes: { start: 2 ** 40, stop: 2 ** 40 + 3 } },
          ]
        : []),
    ],
  },
  linspace: made(
    { start: 0, stop: 10, num: 11 },
    { start: 0, stop: 64 },
    { start: 8, stop: 0, num: 8, endpoint: false },
    { start: 3, stop: 5, num: 1 },
    { start: 3, stop: 5, num: 0 },
  ),
  eye: made({ n: 3 }, { n: 2, m: 4, k: 1 }, { n: 4, m: 2, k: -2 }, { n: 0, m: 3 }, { n: 2, k: 9 }),
  identity: made({ n: 3 }, { n: 1 }, { n: 0 }),
  tri: made({ n: 3 }, { n: 2, m: 4, k: 1 }, { n: 4, m: 2, k: -2 }, { n: 0, m: 3 }, { n: 2, k: 9 }),
  tril: triangle,
  triu: triangle,
  meshgrid: {
    calls: (dtype) => {
      const vectors = [filled(dtype, [3]), filled(dtype, [2]), filled("int32", [4])];
      return [
        { inputs: vectors },
        { inputs: vectors, attributes: { indexing: "ij", sparse: false } },
        { inputs: vectors.slice(0, 2), attributes: { indexing: "xy", sparse: true } },
        { inputs: [filled(dtype, [3]), scalar(dtype, 1)] },
        { inputs: vectors.slice(0, 1) },
        { inputs: [filled(dtype, [0]), filled(dtype, [3])] },
      ];
    },
  },
  bartlett: window,
  blackman: window,
  hamming: window,
  hanning: window,
};
