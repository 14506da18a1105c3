import fc from "fast-check";
import { expect, it } from "vitest";
import { batchesOf, paddedLength } from "../../../src/models/embedder/batches.js";

const row = (index: number, length: number) => ({ index, ids: new Array<number>(length).fill(1) });

it("rounds lengths up to one of a few", () => {
  const lengths = [1, 8, 9, 12, 13, 17, 25, 33, 100, 129, 200, 255].map((n) =>
    paddedLength(n, 256),
  );
  expect(lengths).toEqual([8, 8, 12, 12, 16, 24, 32, 48, 128, 192, 256, 256]);
  expect(paddedLength(250, 250)).toBe(250);
  expect(paddedLength(3, 5)).toBe(5);
});

it("puts texts of about one length together, in batches of powers of two, the longest first", () => {
  const lengths = [5, 200, 7, 3, 30, 8, 8, 1, 2];
  const batches = batchesOf(
    lengths.map((length, index) => row(index, length)),
    256,
  );
  expect(batches.map(({ rows, length }) => [length, rows.map(({ index }) => index)])).toEqual([
    [256, [1]],
    [32, [4]],
    [8, [0, 2, 3, 5]],
    [8, [6, 7]],
    [8, [8]],
  ]);
});

it("has every text once, in few programs of bounded size", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 512 }), { maxLength: 300 }), (lengths) => {
      const batches = batchesOf(
        lengths.map((length, index) => row(index, length)),
        512,
      );
      const indices = batches.flatMap(({ rows }) => rows.map(({ index }) => index));
      expect(indices.sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
      for (const { rows, length } of batches) {
        expect(rows.length * length).toBeLessThanOrEqual(4096);
        for (const { ids } of rows) {
          expect(ids.length).toBeLessThanOrEqual(length);
          expect(length).toBeLessThan(Math.max(9, ids.length * 1.5 + 1));
        }
      }
      expect(new Set(batches.map((b) => `${b.rows.length} ${b.length}`)).size).toBeLessThan(128);
    }),
  );
});
