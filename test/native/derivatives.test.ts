import { expect } from "vitest";
import type { Attributes } from "../../src/graph/graph.js";
import { filled, type TestTensor, tensor } from "../support/data.js";
import { describeSurvival, gradients, only, type Survived } from "../support/survival.js";

const float = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
const index = (...shape: number[]) => ({ dtype: "uint32", shape }) as const;
const { NaN: nan, NEGATIVE_INFINITY: low } = Number;
const vector = (...values: number[]) => tensor("float32", [values.length], values);

/** The gradient of a cumulative extreme of three numbers, by cotangents 1, 10, 100. */
const extreme = (
  op: "cummax" | "cummin",
  attributes: Attributes,
  values: readonly [number, number, number],
  gradient: readonly number[],
): Survived => ({
  title: `the gradient of ${op} ${JSON.stringify(attributes)} at [${values}]`,
  graph: gradients(only([float(3)], { op, attributes: { axis: 0, ...attributes } }), [float(3)]),
  inputs: [vector(...values), vector(1, 10, 100)],
  results: [gradient],
});

const EXTREMES: readonly Survived[] = [
  extreme("cummax", {}, [nan, 1, 2], [111, 0, 0]),
  extreme("cummax", {}, [1, nan, 2], [1, 110, 0]),
  extreme("cummin", {}, [nan, nan, nan], [1, 10, 100]),
  extreme("cummin", { reverse: true }, [1, 2, nan], [0, 0, 111]),
  extreme("cummax", {}, [2, 3, 1], [1, 110, 0]),
  extreme("cummin", {}, [2, 3, 1], [11, 0, 100]),
  extreme("cummax", { reverse: true }, [2, 3, 1], [0, 11, 100]),
  extreme("cummax", { inclusive: false }, [2, 3, 1], [10, 100, 0]),
  extreme("cummax", { inclusive: false, reverse: true }, [2, 3, 1], [0, 1, 10]),
  extreme("cummax", { inclusive: false }, [nan, low, 1], [110, 0, 0]),
];

const pad = only([float(2), float()], { op: "pad", attributes: { pad_width: [1, 2] } });
const padded = (wrt: readonly number[], results: readonly (readonly number[])[]): Survived => ({
  title: `the gradient of pad by operands [${wrt}]`,
  graph: gradients(pad, [float(5)], wrt),
  inputs: [vector(5, 6), tensor("float32", [], [7]), vector(1, 10, 100, 1000, 10000)],
  results,
});

/** Gradients by both operands of products of 1 by 1 matrices, which indices name. */
const products = (
  title: string,
  left: readonly number[],
  lhs: readonly number[] | null,
  rhs: readonly number[],
  results: readonly (readonly number[])[],
): Survived => {
  const named = lhs === null ? [] : [index(lhs.length)];
  const parameters = [float(left.length, 1, 1), float(3, 1, 1), ...named, index(rhs.length)];
  const inputs = lhs === null ? [0, 1, -1, 2] : [0, 1, 2, 3];
  const node = { op: "gather_mm", inputs, attributes: { sorted_indices: true } };
  return {
    title: `the gradients of gather_mm ${title}`,
    graph: gradients(only(parameters, node), [float(rhs.length, 1, 1)], [0, 1]),
    inputs: [
      tensor("float32", [left.length, 1, 1], left),
      tensor("float32", [3, 1, 1], [2, 3, 5]),
      ...(lhs === null ? [] : [tensor("uint32", [lhs.length], lhs)]),
      tensor("uint32", [rhs.length], rhs),
      tensor(
        "float32",
        [rhs.length, 1, 1],
        rhs.map((_, i) => 10 ** i),
      ),
    ],
    results,
  };
};

const PRODUCTS: readonly Survived[] = [
  products(
    "by sorted indices",
    [1, 2, 4],
    null,
    [0, 1, 1],
    [
      [2, 30, 300],
      [1, 420, 0],
    ],
  ),
  products(
    "by sorted indices of some matrices",
    [1, 2],
    [0, 1, 1],
    [0, 0, 2],
    [
      [2, 520],
      [21, 0, 200],
    ],
  ),
  products(
    "by indices that are not sorted as promised",
    [1, 2, 4],
    null,
    [2, 2, 0],
    [
      [5, 50, 200],
      [400, 0, 21],
    ],
  ),
];

/** Gradients of quantized products of 1s by x and by scales, with indices that are not sorted as promised. */
const quantizedProducts: Survived = {
  title: "the gradients of gather_qmm by indices that are not sorted as promised",
  graph: gradients(
    only([float(3, 1, 64), index(2, 1, 8), float(2, 1, 1), float(2, 1, 1), index(3)], {
      op: "gather_qmm",
      inputs: [0, 1, 2, 3, -1, 4],
      attributes: { sorted_indices: true },
    }),
    [float(3, 1, 1)],
    [0, 2],
  ),
  inputs: [
    tensor(
      "float32",
      [3, 1, 64],
      [1, 2, 4].flatMap((x) => Array<number>(64).fill(x / 64)),
    ),
    tensor("uint32", [2, 1, 8], Array<number>(16).fill(0x11111111)),
    tensor("float32", [2, 1, 1], [2, 3]),
    tensor("float32", [2, 1, 1], [0, 0]),
    tensor("uint32", [3], [1, 0, 1]),
    tensor("float32", [3, 1, 1], [1, 10, 100]),
  ],
  results: [[3, 20, 300].flatMap((x) => Array<number>(64).fill(x)), [20, 401]],
};

/** Gradients of a scatter along the only axis of four numbers, by cotangents 1, 10, 100, 1000. */
const scattered = (
  op: "scatter" | "scatter_add",
  slices: readonly (readonly number[])[],
  indices: readonly number[],
  results: readonly (readonly number[])[],
): Survived => {
  const shape = [slices.length, slices[0]?.length ?? 0];
  return {
    title: `the gradients of ${op} of slices of ${shape[1]} elements`,
    graph: gradients(
      only([float(4), float(...shape), index(indices.length)], { op, attributes: { axes: [0] } }),
      [float(4)],
      [0, 1],
    ),
    inputs: [
      vector(1, 2, 3, 4),
      tensor("float32", shape, slices.flat()),
      tensor("uint32", [indices.length], indices),
      vector(1, 10, 100, 1000),
    ],
    results,
  };
};

/** The result and the tangent of an op that is linear: at the tangent `x` it is what it is at the value `x`. */
const linear = (op: string, attributes: Attributes, x: TestTensor, size: number): Survived => {
  const of = only([x.type], { op, attributes });
  const jvp = only([x.type, x.type], { op: "jvp", attributes: { function: 1 }, outputs: 2 });
  const plain = { op, inputs: [0], attributes, outputs: 1 };
  const main = { ...jvp, nodes: [...jvp.nodes, plain, difference(3, 4)], results: [5] };
  return {
    title: `the tangent of ${op} ${JSON.stringify(attributes)}`,
    graph: { functions: [main, of] },
    inputs: [x, x],
    results: [Array<number>(size).fill(0)],
  };
};
const difference = (a: number, b: number) => ({
  op: "subtract",
  inputs: [a, b],
  attributes: {},
  outputs: 1,
});

/** Transforms from half a spectrum to as many values as `n`, even and odd. */
const TRANSFORMS: readonly Survived[] = [
  ...[1, 2, 3, 4, 5, 9].flatMap((n) =>
    ["backward", "ortho"].map((norm) =>
      linear("fft.irfft", { n, norm }, vector(3, -1, 4, 1, 5), n),
    ),
  ),
  linear("fft.irfft", { n: 3, axis: 0 }, filled("complex64", [2, 4]), 12),
  linear("fft.irfft2", { s: [3, 5] }, filled("complex64", [2, 3, 3]), 30),
  linear("fft.irfftn", { s: [2, 7, 3] }, filled("float32", [2, 3, 2]), 42),
  {
    title: "the gradient of irfft to an odd size",
    graph: gradients(only([float(2)], { op: "fft.irfft", attributes: { n: 3 } }), [float(3)]),
    inputs: [vector(1, 2), vector(3, 6, 12)],
    // (x0 + 2 x1 cos(2 pi j / 3)) / 3 is the value at j.
    results: [[7, -4]],
  },
];

/** Gradients of a convolution whose input is spread out. */
const spread = (
  attributes: Attributes,
  x: readonly number[],
  weight: readonly number[],
  cotangent: readonly number[],
  results: readonly (readonly number[])[],
): Survived => ({
  title: `the gradients of conv_general ${JSON.stringify(attributes)} of ${x.length} by ${weight.length}`,
  graph: gradients(
    only([float(1, x.length, 1), float(1, weight.length, 1)], { op: "conv_general", attributes }),
    [float(1, cotangent.length, 1)],
  ),
  inputs: [x, weight, cotangent].map((values) => tensor("float32", [1, values.length, 1], values)),
  results,
});

/** sin, differentiated so many times: the gradient takes itself as the cotangent. */
const nested = (op: "vjp" | "jvp", depth: number) => {
  const functions = Array.from({ length: depth }, (_, i) => ({
    ...only([float(1)], { op, inputs: [0, 0], attributes: { function: i + 1 }, outputs: 2 }),
    results: [2],
  }));
  return { functions: [...functions, only([float(1)], { op: "sin" })] };
};

describeSurvival([
  ...TRANSFORMS,
  ...EXTREMES,
  padded([0], [[10, 100]]),
  padded([1], [[11001]]),
  padded([0, 1], [[10, 100], [11001]]),
  ...PRODUCTS,
  quantizedProducts,
  scattered(
    "scatter_add",
    [[5, 6]],
    [1],
    [
      [1, 10, 100, 1000],
      [10, 100],
    ],
  ),
  scattered(
    "scatter",
    [[5, 6, 7]],
    [9],
    [
      [1, 0, 0, 0],
      [10, 100, 1000],
    ],
  ),
  scattered("scatter_add", [[]], [4], [[1, 10, 100, 1000], []]),
  spread({ input_dilation: [3], padding_hi: [2] }, [1], [2], [1, 10, 100], [[2], [1]]),
  spread(
    { input_dilation: [2], stride: [2] },
    [3, 4],
    [5, 6],
    [10],
    [
      [50, 0],
      [30, 0],
    ],
  ),
  // Each derivative of f by x, times x: that operator, eight times, on sin at 0.
  ...(["vjp", "jvp"] as const).map((op) => ({
    title: `nested ${op}`,
    graph: nested(op, 8),
    inputs: [vector(0)],
    results: [[0]],
  })),
  {
    title: "more nested derivatives than there may be nodes",
    graph: nested("jvp", 14),
    inputs: [vector(0)],
    error: { code: "limit_exceeded" },
  },
  {
    title: "a derivative that does not fit the memory limit",
    graph: gradients(
      {
        name: "squares",
        parameters: [float(1024)],
        // Each of its values is kept for the gradient.
        nodes: [
          { op: "outer", inputs: [0, 0], attributes: {}, outputs: 1 },
          ...[1, 2, 3, 4, 5, 6].map((x) => ({
            op: "sin",
            inputs: [x],
            attributes: {},
            outputs: 1,
          })),
          { op: "sum", inputs: [7], attributes: {}, outputs: 1 },
        ],
        results: [8],
      },
      [float()],
    ),
    inputs: [filled("float32", [1024]), tensor("float32", [], [1])],
    options: { memoryLimit: 1 << 22 },
    error: { code: "memory_exhausted", op: expect.any(String) },
  },
  {
    title: "a memory limit of one byte",
    graph: { functions: [only([float(2)], { op: "sin" })] },
    inputs: [vector(1, 2)],
    options: { memoryLimit: 1 },
    error: { code: "value_too_large" },
  },
]);
