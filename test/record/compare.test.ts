import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareValues } from "../../src/record/compare.js";
import type { Dtype } from "../../src/tensor/dtype.js";
import { type TensorLike, toBytes, typeOfValue } from "../../src/tensor/values.js";

function compare(a: TensorLike, b: TensorLike, dtype: Dtype, tolerance = {}) {
  const bytes = (value: TensorLike) => toBytes(value, typeOfValue(value, dtype));
  return compareValues(bytes(a), bytes(b), dtype, tolerance);
}

describe("comparing values", () => {
  it("follows Python's isclose", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double(), fc.double()), { maxLength: 8 }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        (pairs, rtol, atol) => {
          const found = compare(
            Float64Array.from(pairs, ([a]) => a),
            Float64Array.from(pairs, ([, b]) => b),
            "float64",
            { rtol, atol },
          );
          const differs = ([a, b]: [number, number]) => {
            if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return false;
            if (!Number.isFinite(a) || !Number.isFinite(b)) return true;
            const most = Math.max(Math.abs(a), Math.abs(b));
            return !(Math.abs(a - b) <= Math.max(rtol * most, atol));
          };
          expect(found.out).toBe(pairs.filter(differs).length);
          expect(found.first).toBe(pairs.findIndex(differs));
          expect(found.elements).toBe(pairs.length);
          expect(found.nan).toEqual([0, 1].map((side) => count(pairs, side, Number.isNaN)));
          const infinite = (x: number) => Math.abs(x) === Infinity;
          expect(found.inf).toEqual([0, 1].map((side) => count(pairs, side, infinite)));
        },
      ),
    );
  });

  it("takes NaN as NaN, and an infinity as itself", () => {
    const special = [Number.NaN, Infinity, -Infinity, -0];
    for (const dtype of ["float16", "bfloat16", "float32", "float64"] as const) {
      expect(compare(special, [Number.NaN, Infinity, -Infinity, 0], dtype)).toMatchObject({
        out: 0,
        nan: [1, 1],
        inf: [2, 2],
      });
      expect(compare(special, [0, -Infinity, Number.NaN, 0], dtype)).toMatchObject({
        out: 3,
        first: 0,
        maxAbs: 0,
        nan: [1, 1],
        inf: [2, 1],
      });
    }
  });

  it("measures what is finite", () => {
    const found = compare([1, 2, 100], [1, 2.5, 101], "float32");
    expect(found).toMatchObject({ out: 2, first: 1, maxAbs: 1, maxRel: 0.2 });
    expect(compare([1, 2, 100], [1, 2.5, 101], "float32", { rtol: 0.02 }).out).toBe(1);
    expect(compare([1, 2, 100], [1, 2.5, 101], "float32", { atol: 1 }).out).toBe(0);
    expect(compare([1], [1 + 2 ** -7], "bfloat16", { rtol: 0 }).maxAbs).toBe(2 ** -7);
    expect(compare([1], [1 + 2 ** -10], "float16", { rtol: 0 }).maxAbs).toBe(2 ** -10);
  });

  it("wants integers to be equal, beyond 2^53 too", () => {
    const big = 2n ** 60n;
    expect(compare([big, big], [big, big + 1n], "int64", { rtol: 1 })).toMatchObject({
      out: 1,
      first: 1,
      maxAbs: 1,
    });
    expect(compare([2n ** 64n - 1n], [2n ** 64n - 2n], "uint64").out).toBe(1);
    expect(compare([1_000_000], [1_000_001], "int32")).toMatchObject({ out: 1, maxAbs: 1 });
    expect(compare([true, false], [true, true], "bool")).toMatchObject({ out: 1, first: 1 });
  });

  it("measures complex numbers by their distance", () => {
    const found = compare(
      [
        [1, 1],
        [0, 0],
      ],
      [
        [1, 1],
        [3, 4],
      ],
      "complex64",
    );
    expect(found).toMatchObject({ elements: 2, out: 1, first: 1, maxAbs: 5, maxRel: 1 });
    const nan = Number.NaN;
    expect(compare([[nan, 1]], [[2, nan]], "complex64")).toMatchObject({ out: 0, nan: [1, 1] });
    expect(compare([[Infinity, 1]], [[1, 1]], "complex64")).toMatchObject({ out: 1, inf: [1, 0] });
  });
});

function count(pairs: [number, number][], side: number, test: (x: number) => boolean): number {
  return pairs.filter((pair) => test(pair[side] as number)).length;
}
