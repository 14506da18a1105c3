import { beforeAll, describe, expect, it } from "vitest";
import { decode, type TestTensor, tensor } from "../../support/data.js";
import {
  type Computation,
  computeWith,
  functionOf,
  instructionSets,
} from "../../support/kernels.js";

const ROWS = 8;
const WIDTH = 40;

/** Numbers from 0 to 1, always the same ones. */
function drawing(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A number of a normal distribution. */
function normal(draw: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

/** Rows of which products are taken. */
const ROWS_OF = {
  "numbers of a normal distribution": normal,
  "a few numbers far greater than all others": (draw: () => number) =>
    normal(draw) * (draw() < 0.02 ? 1000 : 1),
  "numbers of all sizes": (draw: () => number) =>
    Math.exp(3 * normal(draw)) * (draw() < 0.5 ? -1 : 1),
};

interface Packed {
  readonly inputs: readonly TestTensor[];
  /** What its elements are. */
  readonly at: (column: number, k: number) => number;
}

/** A packed matrix, [WIDTH, depth], of numbers of 4 bits that are drawn. */
function packed(depth: number, group: number, draw: () => number): Packed {
  const words = Uint32Array.from({ length: (WIDTH * depth) / 8 }, () => draw() * 2 ** 32);
  const groups = depth / group;
  const scales = Float32Array.from({ length: WIDTH * groups }, () => 0.01 * (1 + draw()));
  const biases = scales.map((scale) => -scale * (6 + 3 * draw()));
  return {
    inputs: [
      tensor("uint32", [WIDTH, depth / 8], [...words]),
      tensor("float32", [WIDTH, groups], [...scales]),
      tensor("float32", [WIDTH, groups], [...biases]),
    ],
    at: (column, k) => {
      const place = column * depth + k;
      const number = ((words[place >> 3] as number) >>> (4 * (place & 7))) & 15;
      const of = Math.floor(place / group);
      return number * (scales[of] as number) + (biases[of] as number);
    },
  };
}

/** A product of rows with a packed matrix. */
function product(
  rows: readonly (readonly number[])[],
  { inputs }: Packed,
  group: number,
): Computation {
  const x = tensor("float32", [rows.length, (rows[0] as readonly number[]).length], rows.flat());
  const all = [x, ...inputs];
  const attributes = { bits: 4, group_size: group, transpose: true };
  const nodes = [{ op: "quantized_matmul", inputs: [0, 1, 2, 3], attributes }];
  return { graph: functionOf(all, nodes), inputs: all };
}

interface Case {
  readonly title: string;
  readonly rows: readonly (readonly number[])[];
  readonly matrix: Packed;
  readonly group: number;
}

const cases: Case[] = Object.entries(ROWS_OF).flatMap(([title, number]) =>
  [32, 64, 128].flatMap((group) =>
    [128, 640, 2048].map((depth) => {
      const draw = drawing(depth + group);
      const rows = Array.from({ length: ROWS }, () =>
        Array.from({ length: depth }, () => Math.fround(number(draw))),
      );
      const matrix = packed(depth, group, draw);
      return { title: `${title}, ${depth} in groups of ${group}`, rows, matrix, group };
    }),
  ),
);

/** The mean square of errors, each beside the size that its products have together. */
function error({ rows, matrix }: Case, results: readonly TestTensor[]): number {
  let sum = 0;
  rows.forEach((row, r) => {
    const values = decode(results[r] as TestTensor).map(Number);
    for (let column = 0; column < WIDTH; column++) {
      const products = row.map((x, k) => x * matrix.at(column, k));
      const size = products.reduce((total, one) => total + one * one, 0);
      const exact = products.reduce((total, one) => total + one, 0);
      sum += ((values[column] as number) - exact) ** 2 / size;
    }
  });
  return Math.sqrt(sum / rows.length / WIDTH);
}

describe.each(instructionSets())("products with numbers of 4 bits with %s", (set) => {
  let fixed: TestTensor[];
  let floating: TestTensor[];
  beforeAll(async () => {
    const each = (rowsOf: (row: readonly number[]) => (readonly number[])[]) =>
      cases.flatMap(({ rows, matrix, group }) =>
        rows.map((row) => product(rowsOf(row), matrix, group)),
      );
    fixed = (
      await computeWith(
        set,
        each((row) => [row]),
      )
    ).flat();
    // Where one of two rows can't be in fixed point, both are multiplied in float32.
    const infinite = (row: readonly number[]) => row.map(() => Number.POSITIVE_INFINITY);
    floating = (
      await computeWith(
        set,
        each((row) => [row, infinite(row)]),
      )
    ).flat();
  });

  it.each(cases.map((item, index) => ({ ...item, index })))(
    "are as exact as those of float32: $title",
    (item) => {
      const of = (results: TestTensor[]) =>
        error(item, results.slice(item.index * ROWS, (item.index + 1) * ROWS));
      expect(of(fixed)).toBeLessThan(of(floating));
    },
  );
});

const DEPTH = 256;
const matrix = packed(DEPTH, 32, drawing(5));

/** One row of this number where `k % 8` is 3, and small ones elsewhere. */
const rowWith = (number: number) =>
  Array.from({ length: DEPTH }, (_, k) => (k % 8 === 3 ? number : Math.fround(0.01 * (k % 5))));

const EDGES = {
  zero: Array.from({ length: DEPTH }, () => 0),
  "negative zeros": Array.from({ length: DEPTH }, () => -0),
  "the smallest numbers": Array.from({ length: DEPTH }, (_, k) => (k + 1) * 2 ** -149),
  "numbers just above them": Array.from({ length: DEPTH }, (_, k) => (k - 70) * 2 ** -115),
  "great numbers": Array.from({ length: DEPTH }, (_, k) => (k % 2 === 0 ? 1 : -1) * 2 ** 99),
  "greater ones": Array.from({ length: DEPTH }, (_, k) => (k % 2 === 0 ? 1 : -1) * 2 ** 110),
  "the smallest beside others": rowWith(2 ** -149),
};

describe.each(instructionSets())("a row with %s", (set) => {
  let results: number[][];
  const numbers = Object.values(EDGES);
  const infinite = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
  beforeAll(async () => {
    const rows = [...numbers, ...infinite.map(rowWith)];
    const computed = await computeWith(
      set,
      rows.map((row) => product([row], matrix, 32)),
    );
    results = computed.map(([result]) => decode(result as TestTensor).map(Number));
  });

  it.each(Object.keys(EDGES).map((title, index) => ({ title, index })))(
    "of $title",
    ({ index }) => {
      const row = numbers[index] as readonly number[];
      for (let column = 0; column < WIDTH; column++) {
        const products = row.map((x, k) => x * matrix.at(column, k));
        const size = Math.sqrt(products.reduce((total, one) => total + one * one, 0));
        const exact = products.reduce((total, one) => total + one, 0);
        const off = Math.abs((results[index]?.[column] as number) - exact);
        expect(off).toBeLessThanOrEqual(4e-6 * size + 2 ** -140);
      }
    },
  );

  it.each(infinite.map((number, index) => ({ number, index })))(
    "that has $number has no finite products",
    ({ index }) => {
      const values = results[numbers.length + index] as number[];
      expect(values).toHaveLength(WIDTH);
      expect(values.filter(Number.isFinite)).toEqual([]);
    },
  );
});
