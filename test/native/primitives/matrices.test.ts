import type { Attributes } from "../../../src/graph/graph.js";
import { tensor } from "../../support/data.js";
import { describeSurvival, only, type Survived } from "../../support/survival.js";

const float = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
const double = (...shape: number[]) => ({ dtype: "float64", shape }) as const;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** A matrix that LAPACK is not shown, then 2 I. */
const BATCH = [1, inf, 3, 4, 2, 0, 0, 2];

/** What an op makes of both: NaN of the first, and what it makes of 2 I. */
const both = (
  op: string,
  attributes: Attributes,
  results: readonly (readonly number[])[],
  values = BATCH,
): Survived => ({
  title: `${op} ${JSON.stringify(attributes)} of [${values}]`,
  graph: { functions: [only([float(2, 2, 2)], { op, attributes, outputs: results.length })] },
  inputs: [tensor("float32", [2, 2, 2], values)],
  results,
});

const nans = (count: number) => Array<number>(count).fill(nan);
const IDENTITY = [1, 0, 0, 1];
const HALF = [0.5, 0, 0, 0.5];
const TWICE = [2, 0, 0, 2];
const ROOT = [Math.SQRT2, 0, 0, Math.SQRT2];
/** The identity as complex numbers. */
const COMPLEX = [1, 0, 0, 0, 0, 0, 1, 0];

const FACTORS: readonly Survived[] = [
  both("linalg.inv", {}, [[...nans(4), ...HALF]]),
  both("linalg.pinv", {}, [[...nans(4), ...HALF]]),
  both("linalg.svd", { compute_uv: false }, [[...nans(2), 2, 2]]),
  both("linalg.eigvals", {}, [[...nans(4), 2, 0, 2, 0]]),
  both("linalg.eig", {}, [
    [...nans(4), 2, 0, 2, 0],
    [...nans(8), ...COMPLEX],
  ]),
  both("linalg.lu_factor", {}, [
    [...nans(4), ...TWICE],
    [0, 1, 0, 1],
  ]),
  both("linalg.norm", { ord: 2, axes: [1, 2] }, [[nan, 2]]),
  both("linalg.norm", { ord_name: "nuc", axes: [1, 2] }, [[nan, 4]]),
  // Of these one triangle is read, and what is in the other does not matter.
  both("linalg.cholesky", { upper: true }, [[...nans(4), ...ROOT]]),
  both("linalg.cholesky", {}, [[...IDENTITY, ...ROOT]], [1, inf, 0, 1, 2, 0, 0, 2]),
  both("linalg.tri_inv", { upper: true }, [[...nans(4), ...HALF]]),
  both("linalg.tri_inv", {}, [[...IDENTITY, ...HALF]], [1, nan, 0, 1, 2, 0, 0, 2]),
  both("linalg.eigvalsh", { UPLO: "U" }, [[...nans(2), 2, 2]]),
  both("linalg.eigvalsh", { UPLO: "L" }, [[1, 3, 2, 2]], [1, inf, 0, 3, 2, 0, 0, 2]),
];

const large = (at: number) => {
  const values = Array.from({ length: 33 * 33 }, (_, i) => ((i * 7) % 13) / 3);
  values[3] = at;
  return tensor("float32", [33, 33], values);
};

/** A program that LAPACK writes the heap over with, or that does not end. */
const whole = (op: string, at: number, results: readonly (readonly number[])[]): Survived => ({
  title: `${op} of 33 by 33 with ${at}`,
  graph: { functions: [only([float(33, 33)], { op, outputs: results.length })] },
  inputs: [large(at)],
  results,
});

/** What is computed of the LU factors of 3 I, which lie in memory column by column. */
const afterLu = (op: string, batch: readonly number[], value: number): Survived => ({
  title: `${op} of the LU factors of [${[...batch, 4, 4]}]`,
  graph: {
    functions: [
      {
        name: "main",
        parameters: [float(...batch, 4, 4)],
        nodes: [
          { op: "linalg.lu_factor", inputs: [0], attributes: {}, outputs: 2 },
          { op, inputs: [1], attributes: {}, outputs: 1 },
        ],
        results: [3],
      },
    ],
  },
  inputs: [tensor("float32", [...batch, 4, 4], diagonal(batch, 3))],
  results: [diagonal(batch, value)],
});

const diagonal = (batch: readonly number[], value: number) =>
  Array.from({ length: 16 * batch.reduce((a, b) => a * b, 1) }, (_, i) =>
    (i % 16) % 5 === 0 ? value : 0,
  );

describeSurvival([
  ...FACTORS,
  whole("linalg.eig", inf, [nans(33 * 2), nans(33 * 33 * 2)]),
  whole("linalg.svd", inf, [nans(33 * 33), nans(33), nans(33 * 33)]),
  whole("linalg.pinv", inf, [nans(33 * 33)]),
  whole("linalg.eigvals", nan, [nans(33 * 2)]),
  whole("linalg.qr", -inf, [nans(33 * 33), nans(33 * 33)]),
  afterLu("square", [], 9),
  afterLu("square", [2], 9),
  {
    title: "linalg.lu of [1, 1]",
    graph: { functions: [only([float(1, 1)], { op: "linalg.lu", outputs: 3 })] },
    inputs: [tensor("float32", [1, 1], [3])],
    results: [[0], [1], [3]],
  },
  {
    title: "linalg.solve of float64 [1, 1]",
    graph: { functions: [only([double(1, 1), double(1, 1)], { op: "linalg.solve" })] },
    inputs: [tensor("float64", [1, 1], [4]), tensor("float64", [1, 1], [2])],
    results: [[0.5]],
  },
  {
    title: "linalg.solve with an infinity on the left",
    graph: { functions: [only([float(2, 2), float(2)], { op: "linalg.solve" })] },
    inputs: [tensor("float32", [2, 2], [inf, 0, 0, 1]), tensor("float32", [2], [1, 2])],
    results: [[nan, nan]],
  },
]);
