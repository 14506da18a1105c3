import { expect, it } from "vitest";
import { tensor } from "../../support/data.js";
import { runOp } from "../../support/run-op.js";

/** Whether numbers agree to some 15 digits. */
const close = (actual: number, expected: number) =>
  Math.abs(actual - expected) <= 2e-15 * Math.abs(expected);

const POINTS = [-700, -30, -3.25, -0.7, -1e-9, 0, 1e-9, 0.3, 1, 2.5, 29, 700];
const FUNCTIONS: Readonly<Record<string, (x: number) => number>> = {
  exp: Math.exp,
  sin: Math.sin,
  cos: Math.cos,
  sigmoid: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
};

/** Points with the values of functions that JavaScript does not have, to 17 digits. */
const TABLES: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  erf: [
    [-2, -0.9953222650189527],
    [1e-10, 1.1283791670955126e-10],
    [0.25, 0.27632639016823696],
    [1, 0.8427007929497149],
    [3, 0.9999779095030014],
  ],
  erfinv: [
    [-0.5, -0.4769362762044699],
    [1e-10, 8.862269254527581e-11],
    [0.1, 0.08885599049425769],
    [0.9, 1.1630871536766743],
    [0.999999999, 4.320005388105362],
  ],
};

async function values(op: string, points: readonly number[], strided = false) {
  const shape = strided ? [3, points.length / 3] : [points.length];
  const [result] = await runOp(op, [tensor("float64", shape, points)], {}, { strided });
  return [...new Float64Array(result?.bytes.slice().buffer as ArrayBuffer)];
}

for (const [op, compute] of Object.entries(FUNCTIONS)) {
  it.each([false, true])(`computes ${op} of float64 exactly, strided %s`, async (strided) => {
    const actual = await values(op, POINTS, strided);
    const wrong = POINTS.filter((x, at) => !close(actual[at] as number, compute(x)));
    expect(wrong).toEqual([]);
  });
}

for (const [op, table] of Object.entries(TABLES)) {
  it(`computes ${op} of float64 exactly`, async () => {
    const actual = await values(
      op,
      table.map(([x]) => x),
    );
    const wrong = table.filter(([, y], at) => !close(actual[at] as number, y));
    expect(wrong).toEqual([]);
  });
}

it("gives the limits of functions of float64", async () => {
  const limits = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN];
  expect(await values("exp", limits)).toEqual([0, Number.POSITIVE_INFINITY, Number.NaN]);
  expect(await values("sigmoid", limits)).toEqual([0, 1, Number.NaN]);
  expect(await values("erfinv", [-1, 1, 2, -0])).toEqual([limits[0], limits[1], Number.NaN, -0]);
});
