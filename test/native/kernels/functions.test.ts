import { describe, expect, it } from "vitest";
import { decode, tensor } from "../../support/data.js";
import { graph } from "../../support/graphs.js";
import { computeWith, instructionSets } from "../../support/kernels.js";

/** Floats of all sizes: every so many bit patterns, and many around the numbers that are used most. */
function patterns(): Float32Array {
  const some = new Uint32Array(90_000).map((_, index) => index * 47_721);
  const near = Float32Array.from({ length: 40_000 }, (_, index) => (index - 20_000) / 2000);
  const all = new Float32Array(some.length + near.length);
  all.set(new Float32Array(some.buffer));
  all.set(near, some.length);
  return all;
}

/** erf: the series of Abramowitz and Stegun 7.1.6 near zero, the continued fraction 7.1.14 of erfc beyond. */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const t = Math.abs(x);
  if (t > 6) return Math.sign(x);
  if (t < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 100; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = 0;
  for (let n = 200; n > 0; n--) fraction = n / 2 / (t + fraction);
  return Math.sign(x) * (1 - Math.exp(-t * t) / Math.sqrt(Math.PI) / (t + fraction));
}

const FUNCTIONS: Record<string, (x: number) => number> = {
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log1p: Math.log1p,
  erf,
  tanh: Math.tanh,
  sigmoid: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
  sin: Math.sin,
  cos: Math.cos,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
};

/** How far a float is from the exact result, in units of the last place of that. */
function ulps(actual: number, exact: number): number {
  if (Number.isNaN(exact)) return Number.isNaN(actual) ? 0 : Number.POSITIVE_INFINITY;
  const wanted = Math.fround(exact);
  if (Object.is(actual, wanted)) return 0;
  if (wanted === 0 && actual === 0) return Number.POSITIVE_INFINITY; // the sign
  if (!Number.isFinite(wanted) || !Number.isFinite(actual)) {
    // Where the exact result is beyond the greatest float, but rounds to it.
    return Math.max(Math.abs(wanted), Math.abs(actual)) === Number.POSITIVE_INFINITY &&
      Math.min(Math.abs(wanted), Math.abs(actual)) > 3.4028e38
      ? 1
      : Number.POSITIVE_INFINITY;
  }
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(exact))), -126);
  return Math.abs(actual - exact) / 2 ** (exponent - 23);
}

const inputs = patterns();
const names = Object.keys(FUNCTIONS);

/** The worst distance of a function's results from the exact ones, in ulp, and where it is. */
function worstOf(values: readonly number[], exact: (x: number) => number) {
  let most = 0;
  let at = 0;
  values.forEach((value, place) => {
    const x = inputs[place] as number;
    // The library's exact reduction of large angles is within half an ulp; JavaScript's is what it is compared with.
    const distance = ulps(value, exact(x));
    if (distance > most) {
      most = distance;
      at = x;
    }
  });
  return { most, at };
}

describe.each(instructionSets())("functions of float32 with %s", (set) => {
  const type = { dtype: "float32", shape: [inputs.length] } as const;
  const operand = tensor("float32", type.shape, Array.from(inputs));

  it("are within 2 ulp, and right at zeros, infinities, NaN and subnormal numbers", async () => {
    const nodes = names.map((op) => ({ op, inputs: [0] }));
    const results = names.map((_, index) => index + 1);
    const [values] = await computeWith(set, [
      { graph: graph([type], nodes, results), inputs: [operand] },
    ]);
    const worst = names.map((name, index) => ({
      name,
      ...worstOf(decode(values?.[index] as never) as number[], FUNCTIONS[name] as never),
    }));
    expect(worst.filter(({ most }) => !(most <= 2))).toEqual([]);
  });

  it("are within 2 ulp for powers with whole exponents", async () => {
    const exponents = [0, 1, 2, 3, 4, 5, 17, -1, -2, -3, -4];
    const nodes = exponents.flatMap((exponent, index) => [
      {
        op: "constant",
        attributes: {
          dtype: "float32",
          shape: [],
          data: new Uint8Array(Float32Array.of(exponent).buffer),
        },
      },
      { op: "power", inputs: [0, 2 * index + 1] },
    ]);
    const results = exponents.map((_, index) => 2 * index + 2);
    const [values] = await computeWith(set, [
      { graph: graph([type], nodes, results), inputs: [operand] },
    ]);
    const worst = exponents.map((exponent, index) => ({
      exponent,
      ...worstOf(decode(values?.[index] as never) as number[], (x) => x ** exponent),
    }));
    expect(worst.filter(({ most }) => !(most <= 2))).toEqual([]);
  });
});
