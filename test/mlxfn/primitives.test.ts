import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Attributes } from "../../src/graph/graph.js";
import { Engine, ImportedFunction, mx, type Tensor, type Traced, vjp } from "../../src/index.js";
import { loweringOf } from "../../src/mlxfn/primitives/index.js";
import { LAYOUTS, type State } from "../../src/mlxfn/state.js";
import { difference } from "../support/compare.js";
import { type TestTensor, tensor } from "../support/data.js";
import { mlxFunctionFile, primitive } from "../support/mlxfn-file.js";
import { runOp } from "../support/run-op.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Primitives that Python's exports on a CPU do not have, and the ops that they stand for. */
interface Case {
  readonly title: string;
  readonly name: string;
  readonly state?: State;
  readonly inputs: readonly TestTensor[];
  readonly op: string;
  /** The op's operands, by the numbers of the inputs; null for one that is absent. */
  readonly operands: readonly (number | null)[];
  readonly attributes?: Attributes;
}

const floats = (...shape: number[]): TestTensor => {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length: count }, (_, index) => Math.sin(index + shape.length) / 2);
  return tensor("float32", shape, values);
};
const scalar = (value: number) => tensor("float32", [], [value]);
const EPS = { eps: 0.25 };
const ROPE = { dims: 8, traditional: false, base: 1024, scale: 0.5, forward: true };
const ATTENTION = { scale: 0.25, causal: false, sinks: false, logsumexp: false, fused: false };
const [q, k, v] = [floats(1, 4, 3, 8), floats(1, 2, 5, 8), floats(1, 2, 5, 8)];
const [mask, sinks] = [floats(3, 5), floats(4)];
const PACKED = { groupSize: 32, bits: 4, mode: 0 };
const packing = { group_size: 32, bits: 4 };
const words = tensor("uint32", [2, 8, 4], Array(64).fill(0x76543210));
const [scales, biases] = [floats(2, 8, 1), floats(2, 8, 1)];
const indices = tensor("uint32", [2], [1, 0]);
const attention = "fast.scaled_dot_product_attention";

const CASES: readonly Case[] = [
  {
    title: "RMSNorm",
    name: "RMSNorm",
    state: EPS,
    inputs: [floats(3, 4), floats(4)],
    op: "fast.rms_norm",
    operands: [0, 1],
    attributes: EPS,
  },
  {
    title: "RMSNorm without a weight",
    name: "RMSNorm",
    state: EPS,
    inputs: [floats(3, 4), scalar(1)],
    op: "fast.rms_norm",
    operands: [0, null],
    attributes: EPS,
  },
  {
    title: "LayerNorm",
    name: "LayerNorm",
    state: EPS,
    inputs: [floats(3, 4), floats(4), floats(4)],
    op: "fast.layer_norm",
    operands: [0, 1, 2],
    attributes: EPS,
  },
  {
    title: "LayerNorm without a bias",
    name: "LayerNorm",
    state: EPS,
    inputs: [floats(3, 4), floats(4), scalar(0)],
    op: "fast.layer_norm",
    operands: [0, 1, null],
    attributes: EPS,
  },
  {
    title: "RoPE",
    name: "RoPE",
    state: ROPE,
    inputs: [floats(1, 2, 3, 8), tensor("int32", [], [3])],
    op: "fast.rope",
    operands: [0, 1],
    attributes: { dims: 8, traditional: false, base: 1024, scale: 0.5 },
  },
  {
    title: "RoPE with frequencies",
    name: "RoPE",
    state: { ...ROPE, traditional: true },
    inputs: [floats(1, 2, 3, 8), tensor("int32", [], [0]), tensor("float32", [4], [1, 2, 3, 4])],
    op: "fast.rope",
    operands: [0, 1, 2],
    attributes: { dims: 8, traditional: true, scale: 0.5 },
  },
  {
    title: "attention",
    name: "ScaledDotProductAttention",
    state: ATTENTION,
    inputs: [q, k, v],
    op: attention,
    operands: [0, 1, 2],
    attributes: { scale: 0.25 },
  },
  {
    title: "causal attention",
    name: "ScaledDotProductAttention",
    state: { ...ATTENTION, causal: true },
    inputs: [q, k, v],
    op: attention,
    operands: [0, 1, 2],
    attributes: { scale: 0.25, mask_mode: "causal" },
  },
  {
    title: "attention with a mask",
    name: "ScaledDotProductAttention",
    state: ATTENTION,
    inputs: [q, k, v, mask],
    op: attention,
    operands: [0, 1, 2, 3],
    attributes: { scale: 0.25 },
  },
  {
    title: "attention with sinks",
    name: "ScaledDotProductAttention",
    state: { ...ATTENTION, sinks: true },
    inputs: [q, k, v, sinks],
    op: attention,
    operands: [0, 1, 2, null, 3],
    attributes: { scale: 0.25 },
  },
  {
    title: "attention with both",
    name: "ScaledDotProductAttention",
    state: { ...ATTENTION, sinks: true },
    inputs: [q, k, v, mask, sinks],
    op: attention,
    operands: [0, 1, 2, 3, 4],
    attributes: { scale: 0.25 },
  },
  {
    title: "GatherQMM",
    name: "GatherQMM",
    state: { ...PACKED, transpose: true, leftSorted: false, rightSorted: false },
    inputs: [floats(2, 3, 32), words, scales, biases, indices, indices],
    op: "gather_qmm",
    operands: [0, 1, 2, 3, 4, 5],
    attributes: { ...packing, transpose: true },
  },
  {
    title: "Eig",
    name: "Eig",
    state: { vectors: false },
    inputs: [tensor("float32", [2, 2], [2, 1, 1, 3])],
    op: "linalg.eigvals",
    operands: [0],
  },
  {
    title: "StopGradient",
    name: "StopGradient",
    inputs: [floats(3)],
    op: "stop_gradient",
    operands: [0],
  },
  {
    title: "BroadcastAxes",
    name: "BroadcastAxes",
    state: { axes: [-1] },
    inputs: [floats(1, 4), floats(3, 4)],
    op: "broadcast_to",
    operands: [0],
    attributes: { shape: [3, 4] },
  },
];

describe("primitives", () => {
  const inFolder = temporaryFolder();
  let engine: Engine;
  beforeAll(() => {
    engine = Engine.create({ lanes: 1 });
  });
  afterAll(() => engine.close());

  const run = async (
    name: string,
    inputs: readonly TestTensor[],
    outputs: readonly TestTensor["type"][],
    state: State = {},
  ) => {
    const types = inputs.map(({ type }) => type);
    const steps = [primitive(name, [...inputs.keys()], outputs, state)];
    const results = outputs.map((_, index) => inputs.length + index);
    const path = inFolder(`${name}.mlxfn`);
    writeFileSync(
      path,
      mlxFunctionFile({ constants: [], traces: [{ inputs: types, keywords: [], steps, results }] }),
    );
    using f = ImportedFunction.open(engine, path);
    const values = await f.call(inputs.map(({ bytes, type }) => engine.fromBytes(bytes, type)));
    return await Promise.all(
      values.map(async (value) => ({ type: value.type, bytes: await value.bytes() })),
    );
  };

  it.each(CASES)(
    "$title is what its op is",
    async ({ name, state, inputs, op, operands, attributes }) => {
      const chosen = operands.map((operand) =>
        operand === null ? null : (inputs[operand] as TestTensor),
      );
      const expected = await runOp(op, chosen, attributes);
      const actual = await run(
        name,
        inputs,
        expected.map(({ type }) => type),
        state,
      );
      expect(
        actual.map((value, index) => difference(value, expected[index] as TestTensor)),
      ).toEqual(expected.map(() => undefined));
    },
  );

  it("that count elements are numbers", async () => {
    const count = { axes: [0, 1], dtype: "int32" };
    const [sum] = await run("NumberOfElements", [floats(3, 4)], [{ dtype: "int32", shape: [] }], {
      ...count,
      inverted: false,
    });
    expect(sum).toEqual(tensor("int32", [], [12]));
    const [mean] = await run(
      "NumberOfElements",
      [floats(2, 4)],
      [{ dtype: "float32", shape: [] }],
      { axes: [1], inverted: true, dtype: "float32" },
    );
    expect(mean).toEqual(tensor("float32", [], [0.25]));
  });

  it("that only pass arrays on are these arrays", async () => {
    const x = floats(2, 3);
    expect(await run("Copy", [x], [x.type])).toEqual([x]);
    expect(await run("Depends", [x, floats(1)], [x.type])).toEqual([x]);
  });

  const gradientsOf = async (
    fn: (...operands: Traced[]) => Traced,
    primals: readonly TestTensor[],
    cotangent: TestTensor,
  ) => {
    const gradients = engine.jit(
      (g: Traced, ...xs: Traced[]) => vjp(fn as never, xs as never, g)[1] as Traced[],
    );
    const operands = [cotangent, ...primals].map(({ bytes, type }) =>
      engine.fromBytes(bytes, type),
    );
    const made = (await gradients(...operands)) as Tensor[];
    return await Promise.all(made.map(async (t) => ({ type: t.type, bytes: await t.bytes() })));
  };
  const sameAs = (actual: readonly TestTensor[], expected: readonly TestTensor[]) =>
    expect(actual.map((value, index) => difference(value, expected[index] as TestTensor))).toEqual(
      expected.map(() => undefined),
    );

  it("that are gradients of norms are these gradients", async () => {
    const [x, w, b, g] = [floats(3, 4), floats(4), floats(4), floats(3, 4)];
    const { fast } = mx;
    sameAs(
      await run("RMSNormVJP", [x, w, g], [x.type, w.type], EPS),
      await gradientsOf((a, c) => fast.rms_norm(a as Traced, c, EPS), [x, w], g),
    );
    sameAs(
      await run("LayerNormVJP", [x, w, b, g], [x.type, w.type, b.type], EPS),
      await gradientsOf((a, c, d) => fast.layer_norm(a as Traced, c, d, EPS), [x, w, b], g),
    );
    const one = scalar(1);
    const [byX, byWeight] = await run("RMSNormVJP", [x, one, g], [x.type, one.type], EPS);
    const expected = await gradientsOf((a) => fast.rms_norm(a as Traced, null, EPS), [x], g);
    sameAs([byX as TestTensor, byWeight as TestTensor], [...expected, scalar(0)]);
  });

  it("that turn positions back are the gradient of turning them", async () => {
    const [g, offset] = [floats(1, 2, 3, 8), tensor("int32", [], [3])];
    const turn = { dims: 8, traditional: false, base: 1024, scale: 0.5 };
    sameAs(
      await run("RoPE", [g, offset], [g.type], { ...ROPE, forward: false }),
      await gradientsOf((a) => mx.fast.rope(a as Traced, 3, null, turn), [g], g),
    );
  });

  it("are all opened", () => {
    expect([...LAYOUTS.keys()].filter((name) => loweringOf(name) === undefined)).toEqual([]);
  });
});
