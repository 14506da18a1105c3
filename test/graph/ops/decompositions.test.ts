import { describe, expect, it } from "vitest";
import type { Attributes } from "../../../src/graph/graph.js";
import type { Dtype } from "../../../src/tensor/dtype.js";
import { decode, filled, kindOf, type TestTensor } from "../../support/data.js";
import { runOp } from "../../support/run-op.js";
import { positive } from "./cases/linalg.js";

/** A complex number, as real and imaginary part. */
type Complex = readonly [number, number];
type Matrix = readonly (readonly Complex[])[];

/** The matrices of a batch. */
function matrices({ type, bytes }: TestTensor): Matrix[] {
  const [rows, columns] = type.shape.slice(-2) as [number, number];
  const parts = decode({ type, bytes }).map(Number);
  const complex = kindOf(type.dtype) === "complex";
  const all: Complex[] = complex
    ? Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i] ?? 0, parts[2 * i + 1] ?? 0])
    : parts.map((part) => [part, 0]);
  const row = (index: number) => all.slice(index * columns, (index + 1) * columns);
  const count = rows * columns === 0 ? 0 : all.length / (rows * columns);
  return Array.from({ length: count }, (_, batch) =>
    Array.from({ length: rows }, (_, index) => row(batch * rows + index)),
  );
}

/** The vectors of a batch, as diagonal matrices of a shape. */
function diagonals({ type, bytes }: TestTensor, rows: number, columns: number): Matrix[] {
  const vector = { type: { ...type, shape: [...type.shape, 1] }, bytes };
  return matrices(vector).map((column) =>
    Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j): Complex => (i === j && column[i]?.[0]) || [0, 0]),
    ),
  );
}

function product(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    (b[0] ?? []).map((_, column) =>
      row.reduce<Complex>(
        ([re, im], [x, y], k) => {
          const [u, v] = (b[k] as readonly Complex[])[column] as Complex;
          return [re + x * u - y * v, im + x * v + y * u];
        },
        [0, 0],
      ),
    ),
  );
}

/** The conjugate of the transposed matrix. */
function adjoint(a: Matrix): Matrix {
  return (a[0] ?? []).map((_, column) =>
    a.map((row): Complex => [row[column]?.[0] ?? 0, -(row[column]?.[1] ?? 0)]),
  );
}

function identity(n: number): Matrix {
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j): Complex => [i === j ? 1 : 0, 0]),
  );
}

function expectClose(actual: readonly Matrix[], expected: readonly Matrix[], dtype: Dtype): void {
  const [left, right] = [actual.flat(3), expected.flat(3)];
  expect(left.length).toBe(right.length);
  const distance = Math.max(
    0,
    ...left.map((part, index) => Math.abs(part - (right[index] ?? Number.NaN))),
  );
  expect(distance).toBeLessThan(dtype === "float64" ? 1e-10 : 1e-4);
}

const run = async (op: string, a: TestTensor, attributes: Attributes = {}) => {
  const outputs = await runOp(`linalg.${op}`, [a], attributes);
  return outputs as [TestTensor, TestTensor, TestTensor];
};

const SHAPES: readonly (readonly number[])[] = [
  [4, 4],
  [5, 3],
  [3, 5],
  [2, 3, 4],
  [1, 1],
];
const SQUARES: readonly (readonly number[])[] = [
  [4, 4],
  [2, 3, 3],
  [1, 1],
];

describe.each(["float32", "float64"] as const)("factors of %s", (dtype) => {
  it.each(SHAPES)("QR of [%i, %i, …] makes the matrix again", async (...shape) => {
    const a = filled(dtype, shape, "small");
    const [q, r] = (await run("qr", a)).map(matrices) as [Matrix[], Matrix[]];
    expectClose(
      q.map((one, i) => product(one, r[i] as Matrix)),
      matrices(a),
      dtype,
    );
    const size = Math.min(...shape.slice(-2));
    expectClose(
      q.map((one) => product(adjoint(one), one)),
      q.map(() => identity(size)),
      dtype,
    );
    const below = r.map((one) => one.map((row, i) => row.filter((_, j) => j < i)));
    expect(below.flat(3).every((part) => part === 0)).toBe(true);
  });

  it.each(SHAPES)(
    "LU of [%i, %i, …] makes the matrix again, its rows in order",
    async (...shape) => {
      const a = filled(dtype, shape, "small");
      const [order, lower, upper] = await run("lu", a);
      const rows = shape.at(-2) as number;
      const picks = decode(order).map(Number);
      const [l, u] = [matrices(lower), matrices(upper)];
      const made = l.map((one, batch) => {
        const shuffled = product(one, u[batch] as Matrix);
        return one.map((_, i) => shuffled[picks[batch * rows + i] as number] as readonly Complex[]);
      });
      expectClose(made, matrices(a), dtype);
    },
  );
});

describe.each(["float32", "float64", "complex64"] as const)("spectra of %s", (dtype) => {
  it.each(SHAPES)("SVD of [%i, %i, …] makes the matrix again", async (...shape) => {
    const a = filled(dtype, shape, "small");
    const [u, values, v] = await run("svd", a);
    const sizes = shape.slice(-2) as [number, number];
    const middle = diagonals(values, ...sizes);
    const [left, right] = [matrices(u), matrices(v)];
    const made = left.map((one, i) =>
      product(product(one, middle[i] as Matrix), right[i] as Matrix),
    );
    expectClose(made, matrices(a), dtype);
    expectClose(
      left.map((one) => product(adjoint(one), one)),
      left.map(() => identity(sizes[0])),
      dtype,
    );
    const [alone] = await run("svd", a, { compute_uv: false });
    expectClose(diagonals(alone, ...sizes), middle, dtype);
    for (const one of middle) {
      const own = one.flatMap((row, i) => (row[i] === undefined ? [] : [row[i][0]]));
      expect(own).toEqual([...own].sort((x, y) => y - x));
    }
  });

  it.each(SQUARES)("eigenvectors of [%i, %i, …] keep their direction", async (...shape) => {
    const a = filled(dtype, shape, "small");
    const [values, vectors] = await run("eig", a);
    const n = shape.at(-1) as number;
    const [v, d] = [matrices(vectors), diagonals(values, n, n)];
    const turned = matrices(a).map((one, i) => product(one, v[i] as Matrix));
    expectClose(
      turned,
      v.map((one, i) => product(one, d[i] as Matrix)),
      "float32",
    );
    // They come in any order.
    const sums = (tensor: TestTensor) =>
      decode(tensor)
        .map(Number)
        .reduce((x, y) => x + y, 0);
    const [alone] = await run("eigvals", a);
    expect(sums(alone)).toBeCloseTo(sums(values), 3);
  });

  it.each(SQUARES)("a Hermitian [%i, %i, …] has real eigenvalues, ascending", async (...shape) => {
    const a = positive(dtype, shape);
    const n = shape.at(-1) as number;
    for (const UPLO of ["L", "U"]) {
      const [values, vectors] = await run("eigh", a, { UPLO });
      const [v, d] = [matrices(vectors), diagonals(values, n, n)];
      const made = v.map((one, i) => product(product(one, d[i] as Matrix), adjoint(one)));
      expectClose(made, matrices(a), dtype);
      for (const one of d) {
        const own = one.map((row, i) => (row[i] as Complex)[0]);
        expect(own).toEqual([...own].sort((x, y) => x - y));
      }
    }
  });
});
