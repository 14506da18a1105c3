import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { filled, scalar, type TestTensor, tensor } from "../../../support/data.js";
import type { CaseTable, OpCase, OpCases } from "../../../support/op-cases.js";

type Shape = readonly number[];

const TOLERANCE: Partial<Record<Dtype, number>> = {
  float16: 1e-2,
  bfloat16: 6e-2,
  float32: 1e-5,
  float64: 1e-5,
};

const within = (dtype: Dtype, one: OpCase): OpCase => {
  const tolerance = TOLERANCE[dtype];
  return tolerance === undefined ? one : { ...one, tolerance };
};

const row = (dtype: Dtype, size: number, seed: number) => filled(dtype, [size], "small", seed);

const layerNorm: OpCases = {
  calls: (dtype) => {
    const x = filled(dtype, [3, 8], "small");
    const attributes = { eps: 1e-5 };
    return [
      { inputs: [x, row(dtype, 8, 2), row(dtype, 8, 3)], attributes },
      { inputs: [x, null, null], attributes },
      { inputs: [x, row(dtype, 8, 2), null], attributes },
      { inputs: [x, null, row(dtype, 8, 3)], attributes },
      { inputs: [x, row("float32", 8, 2), row("float32", 8, 3)], attributes: { eps: 0.1 } },
      { inputs: [filled(dtype, [0, 8]), null, null], attributes },
      { inputs: [filled(dtype, [2, 3, 1]), null, null], attributes },
    ].map((one) => within(dtype, one));
  },
};

const rmsNorm: OpCases = {
  calls: (dtype) => {
    const x = filled(dtype, [3, 8], "small");
    const attributes = { eps: 1e-5 };
    return [
      { inputs: [x, row(dtype, 8, 2)], attributes },
      { inputs: [x, null], attributes },
      { inputs: [x, row("float32", 8, 2)], attributes: { eps: 0.1 } },
      { inputs: [filled(dtype, [0, 8]), null], attributes },
    ].map((one) => within(dtype, one));
  },
};

const rope: OpCases = {
  calls: (dtype) => {
    const call = (shape: Shape, attributes: Attributes, ...more: (TestTensor | null)[]) =>
      within(dtype, {
        inputs: [filled(dtype, shape, "small"), ...more],
        attributes: { traditional: false, scale: 1, ...attributes },
      });
    return [
      call([2, 3, 5, 8], { dims: 8, base: 10000 }, null, null),
      call([2, 3, 5, 8], { dims: 4, base: 100, traditional: true, scale: 0.5 }, null, null),
      call([2, 5, 8], { dims: 6, base: 10 }, scalar("int32", 3), null),
      call([2, 3, 5, 8], { dims: 8, base: 10 }, tensor("int64", [2], [1, 4]), null),
      call([1, 5, 8], { dims: 8 }, null, filled("float32", [4], "positive", 5)),
      call([0, 3, 5, 8], { dims: 8, base: 10 }, null, null),
    ];
  },
};

const attention: OpCases = {
  calls: (dtype) => {
    const tensors = (q: Shape, k: Shape, v: Shape) => [
      filled(dtype, q, "unit", 1),
      filled(dtype, k, "unit", 2),
      filled(dtype, v, "unit", 3),
    ];
    const grouped = tensors([2, 4, 3, 8], [2, 2, 5, 8], [2, 2, 5, 6]);
    const mask = tensor(
      "bool",
      [3, 5],
      Array.from({ length: 15 }, (_, index) => (index % 5 === 0 || index % 3 === 0 ? 1 : 0)),
    );
    return [
      {
        inputs: [...tensors([1, 2, 4, 8], [1, 2, 4, 8], [1, 2, 4, 8]), null, null],
        attributes: { scale: 0.5 },
      },
      { inputs: [...grouped, null, null], attributes: { scale: 0.3 } },
      { inputs: [...grouped, null, null], attributes: { scale: 1, mask_mode: "causal" } },
      { inputs: [...grouped, mask, null], attributes: { scale: 1 } },
      {
        inputs: [...grouped, filled(dtype, [2, 4, 3, 5], "unit", 4), null],
        attributes: { scale: 1 },
      },
      { inputs: [...grouped, null, filled(dtype, [4], "unit", 5)], attributes: { scale: 1 } },
      {
        inputs: [...tensors([1, 2, 0, 8], [1, 2, 3, 8], [1, 2, 3, 8]), null, null],
        attributes: { scale: 1 },
      },
      {
        inputs: [...tensors([0, 2, 3, 8], [0, 2, 3, 8], [0, 2, 3, 8]), null, null],
        attributes: { scale: 1 },
      },
      {
        inputs: [...tensors([1, 2, 3, 8], [1, 2, 0, 8], [1, 2, 0, 8]), null, null],
        attributes: { scale: 1 },
      },
    ].map((one) => within(dtype, one));
  },
};

const crossEntropy: OpCases = {
  calls: (dtype) => [
    ...(
      [
        [[3, 5], tensor("int32", [3], [0, 4, 2])],
        [[3, 5], tensor("int64", [3], [-1, 99, 2 ** 40])],
        [[2, 2, 4], tensor("uint8", [2, 2], [0, 3, 255, 1])],
        [[5], scalar("uint32", 3)],
      ] as const
    ).map(([shape, targets]) =>
      within(dtype, { inputs: [filled(dtype, shape, "small"), targets] }),
    ),
    {
      inputs: [filled(dtype, [0, 5]), tensor("int32", [0], [])],
      expected: [tensor("float32", [0], [])],
    },
  ],
};

const gatedDelta: OpCases = {
  calls: (dtype) => {
    const of = (shape: Shape, seed: number) => filled(dtype, shape, "unit", seed);
    const base = [
      of([2, 4, 2, 8], 1),
      of([2, 4, 2, 8], 2),
      of([2, 4, 4, 6], 3),
      of([2, 4, 4], 4),
      of([2, 4, 4], 5),
    ];
    return [
      { inputs: [...base, null, null] },
      { inputs: [...base, filled("float32", [2, 4, 6, 8], "unit", 6), null] },
      { inputs: [...base, null, tensor("bool", [2, 4], [1, 1, 1, 0, 1, 1, 0, 0])] },
    ].map((one) => within(dtype, one));
  },
};

export const FAST_CASES: CaseTable = {
  "fast.rms_norm": rmsNorm,
  "fast.layer_norm": layerNorm,
  "fast.rope": rope,
  "fast.scaled_dot_product_attention": attention,
  "fast.cross_entropy": crossEntropy,
  "fast.gated_delta_update": gatedDelta,
};
