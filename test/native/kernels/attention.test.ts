import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled, type TestTensor, tensor } from "../../support/data.js";
import { constant } from "../../support/graphs.js";
import {
  type Case,
  computed,
  describeKernels,
  FACTOR_DTYPES,
  instructionSets,
  type Node,
  sumsRoundedOnce,
} from "../../support/kernels.js";
import { root } from "../../support/root.js";

interface Shape {
  readonly batch?: number;
  readonly heads?: number;
  readonly of?: number;
  readonly queries: number;
  readonly keys: number;
  readonly depth?: number;
  readonly width?: number;
}

/** MLX's attention over `of` heads of keys, with what else it takes. */
function attention(
  title: string,
  dtype: Dtype,
  { batch = 2, heads = 2, of = heads, queries, keys, depth = 32, width = depth }: Shape,
  {
    causal = false,
    mask,
    sinks = false,
  }: { causal?: boolean; mask?: TestTensor; sinks?: boolean } = {},
): Case {
  const inputs = [
    filled(dtype, [batch, heads, queries, depth], "small", 1),
    filled(dtype, [batch, of, keys, depth], "unit", 2),
    filled(dtype, [batch, of, keys, width], "any", 3),
    ...(mask === undefined ? [] : [mask]),
    ...(sinks ? [filled(dtype, [heads], "any", 4)] : []),
  ];
  const nodes: Node[] = [
    {
      op: "fast.scaled_dot_product_attention",
      inputs: sinks && mask === undefined ? [0, 1, 2, -1, 3] : inputs.map((_, index) => index),
      attributes: { scale: 0.25, ...(causal ? { mask_mode: "causal" } : {}) },
    },
  ];
  return sumsRoundedOnce(title, dtype, inputs, nodes);
}

const kept = (shape: readonly number[]) => filled("bool", shape, "any", 5);

/** Queries, keys and values whose heads lie side by side, what is added to scores, and a condition. */
const HAND = [
  filled("float32", [2, 20, 3, 16], "small", 7),
  filled("float32", [2, 25, 3, 16], "small", 8),
  filled("float32", [2, 25, 3, 16], "any", 9),
  filled("float32", [2, 1, 1, 25], "any", 10),
  kept([20, 25]),
];
/** They with a matrix for each head, the keys transposed. */
const turned: Node[] = [0, 1, 2].map((value) => ({
  op: "transpose",
  inputs: [value],
  attributes: { axes: value === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3] },
}));

const cases: Case[] = [
  ...[
    { queries: 1, keys: 1 },
    { queries: 1, keys: 700 },
    { queries: 5, keys: 33, depth: 7, width: 9 },
    { queries: 16, keys: 256 },
    { queries: 17, keys: 257, width: 40 },
    { queries: 130, keys: 600, depth: 64 },
    { queries: 40, keys: 50, depth: 300, width: 64 },
    { queries: 3, keys: 300, depth: 300, width: 33 },
  ].map((shape) => attention(`${Object.entries(shape)}`, "float32", shape)),
  ...FACTOR_DTYPES.flatMap((dtype) => [
    attention("causal", dtype, { queries: 70, keys: 70 }, { causal: true }),
    attention(
      "few rows, causal, behind others",
      dtype,
      { queries: 3, keys: 300 },
      { causal: true },
    ),
    attention("rows that see no key", dtype, { queries: 20, keys: 9 }, { causal: true }),
    attention("groups of heads", dtype, { heads: 8, of: 2, queries: 20, keys: 40 }),
    attention("groups of heads, one row", dtype, { heads: 8, of: 2, queries: 1, keys: 400 }),
    attention(
      "groups of heads, causal",
      dtype,
      { heads: 6, of: 2, queries: 40, keys: 300 },
      { causal: true },
    ),
    attention("a mask of keys", dtype, { queries: 30, keys: 300 }, { mask: kept([300]) }),
    attention("a mask of all", dtype, { queries: 30, keys: 40 }, { mask: kept([2, 2, 30, 40]) }),
    attention(
      "groups of heads, masked",
      dtype,
      { heads: 4, of: 2, queries: 30, keys: 40 },
      {
        mask: kept([2, 1, 30, 40]),
      },
    ),
    attention(
      "rows of which nothing is kept",
      dtype,
      { queries: 4, keys: 300 },
      {
        mask: tensor("bool", [4, 1], [1, 0, 0, 1]),
      },
    ),
    attention(
      "a mask that is added",
      dtype,
      { queries: 30, keys: 40 },
      {
        mask: filled(dtype, [2, 1, 30, 40], "any", 6),
      },
    ),
  ]),
  ...[false, true].flatMap((causal) =>
    FACTOR_DTYPES.map((dtype) =>
      attention(
        `sinks${causal ? ", causal" : ""}`,
        dtype,
        { heads: 4, of: 2, queries: 20, keys: 300 },
        { causal, sinks: true },
      ),
    ),
  ),
  attention(
    "rows of minus infinity",
    "float32",
    { queries: 3, keys: 300 },
    {
      mask: tensor(
        "float32",
        [3, 300],
        Array.from({ length: 900 }, (_, i) => (i < 290 || i >= 600 ? Number.NEGATIVE_INFINITY : 0)),
      ),
    },
  ),
  ...["divide", "multiply"].map((op) =>
    computed(
      `written by hand, from tensors that lie otherwise, with ${op}`,
      HAND,
      [
        ...turned,
        { op: "matmul", inputs: [5, 6] },
        constant(3),
        op === "divide" ? { op, inputs: [8, 9] } : { op, inputs: [9, 8] },
        { op: "add", inputs: [10, 3] },
        constant(-100),
        { op: "where", inputs: [4, 11, 12] },
        { op: "softmax", inputs: [13], attributes: { axes: [-1] } },
        { op: "matmul", inputs: [14, 7] },
      ],
      undefined,
      2e-5,
    ),
  ),
  computed(
    "of which scores and weights are results as well",
    HAND,
    [
      ...turned,
      { op: "matmul", inputs: [5, 6] },
      { op: "softmax", inputs: [8], attributes: { axes: [-1] } },
      { op: "matmul", inputs: [9, 7] },
    ],
    [8, 9, 10],
    2e-5,
  ),
];

describeKernels("attention", cases);

describe.each(instructionSets())("attention over long sequences with %s", (set) => {
  it("has no scores in memory, of which there would be 256 MiB", async () => {
    const script = `
      import { Engine, mx } from ${JSON.stringify(join(root, "dist", "index.js"))};
      const engine = Engine.create();
      const shape = [1, 1, 8192, 16];
      const x = engine.fromBytes(new Uint8Array(8192 * 16 * 4), { dtype: "float32", shape });
      const attend = engine.jit((y) =>
        mx.fast.scaled_dot_product_attention(y, y, y, { scale: 1, mask_mode: "causal" }),
      );
      await attend(x);
      console.log(engine.info().memory.peak);
      engine.close();
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", script],
      {
        env: { ...process.env, DAVIT_KERNELS: set, DAVIT_STREAM_THREADS: undefined },
      },
    );
    expect(Number(stdout)).toBeLessThan(16 * 2 ** 20);
  });
});
