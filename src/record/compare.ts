import { DavitError } from "../error.js";
import { show } from "../show.js";
import { type Dtype, isInexact } from "../tensor/dtype.js";
import { bfloat16ToFloat32, float16ToFloat32 } from "../tensor/half.js";
import { type TypedArray, typedArrayOf } from "../tensor/typed-array.js";

/**
 * When two numbers count as the same: |a - b| <= max(atol, rtol * max(|a|, |b|)), as Python's `math.isclose` does.
 * NaN is the same as NaN, an infinity as itself. Integers and booleans have to be equal.
 */
export interface Tolerance {
  /** Default 1e-5. */
  readonly rtol?: number | undefined;
  /** Default 1e-8. */
  readonly atol?: number | undefined;
}

/** The differences of two tensors of one type. */
export interface Comparison {
  readonly elements: number;
  /** Elements out of tolerance. */
  readonly out: number;
  /** The largest |a - b| where both are finite. */
  readonly maxAbs: number;
  /** The largest |a - b| / max(|a|, |b|) where both are finite. */
  readonly maxRel: number;
  readonly nan: readonly [a: number, b: number];
  readonly inf: readonly [a: number, b: number];
  /** The number of the first element out of tolerance, -1 for none. */
  readonly first: number;
}

/** The default of {@link Tolerance.rtol}. */
export const RTOL = 1e-5;
/** The default of {@link Tolerance.atol}. */
export const ATOL = 1e-8;

/**
 * Refuses a tolerance with which everything, or nothing, would be the same.
 * @throws DavitError `tolerance_invalid`
 */
export function checkTolerance({ rtol = RTOL, atol = ATOL }: Tolerance): void {
  for (const [name, value] of Object.entries({ rtol, atol })) {
    if (typeof value === "number" && value >= 0 && value < Infinity) continue;
    const expected = "a finite number, 0 or more";
    throw new DavitError("tolerance_invalid", `${name} is ${show(value)}; expected ${expected}`, {
      expected,
    });
  }
}

/** Compares the bytes of two tensors of one dtype and as many elements. */
export function compareValues(
  a: Uint8Array,
  b: Uint8Array,
  dtype: Dtype,
  { rtol = RTOL, atol = ATOL }: Tolerance = {},
): Comparison {
  if (dtype === "int64" || dtype === "uint64") {
    return compareBigints(typedArrayOf(dtype, a), typedArrayOf(dtype, b));
  }
  const x = numbers(a, dtype);
  const y = numbers(b, dtype);
  if (dtype === "complex64") return compareComplex(x, y, new Tally(x.length / 2, rtol, atol));
  return compareReals(
    x,
    y,
    isInexact(dtype) ? new Tally(x.length, rtol, atol) : new Tally(x.length, 0, 0),
  );
}

function compareReals(x: ArrayLike<number>, y: ArrayLike<number>, tally: Tally): Comparison {
  for (let i = 0; i < x.length; i++) {
    const a = x[i] as number;
    const b = y[i] as number;
    const difference = a - b;
    // Most are equal. The difference of infinities is NaN.
    if (difference === 0) continue;
    if (Number.isFinite(a) && Number.isFinite(b)) {
      tally.finite(i, difference, Math.max(Math.abs(a), Math.abs(b)));
    } else {
      tally.notFinite(i, Number.isNaN(a), Number.isNaN(b), a === b);
      tally.infinite(Math.abs(a) === Infinity, Math.abs(b) === Infinity);
    }
  }
  return tally.comparison();
}

function compareBigints(x: TypedArray, y: TypedArray): Comparison {
  const tally = new Tally(x.length, 0, 0);
  for (let i = 0; i < x.length; i++) {
    const a = x[i] as bigint;
    const b = y[i] as bigint;
    // Beyond 2^53 two different integers may round to one number.
    if (a === b) continue;
    tally.finite(i, Number(a - b), Math.max(Math.abs(Number(a)), Math.abs(Number(b))));
  }
  return tally.comparison();
}

function compareComplex(x: ArrayLike<number>, y: ArrayLike<number>, tally: Tally): Comparison {
  const nan = (re: number, im: number) => Number.isNaN(re) || Number.isNaN(im);
  const infinite = (re: number, im: number) => !nan(re, im) && Math.hypot(re, im) === Infinity;
  for (let i = 0; i < x.length; i += 2) {
    const [ar, ai, br, bi] = [x[i], x[i + 1], y[i], y[i + 1]] as [number, number, number, number];
    if ([ar, ai, br, bi].every(Number.isFinite)) {
      const magnitude = Math.max(Math.hypot(ar, ai), Math.hypot(br, bi));
      tally.finite(i / 2, Math.hypot(ar - br, ai - bi), magnitude);
    } else {
      tally.notFinite(i / 2, nan(ar, ai), nan(br, bi), ar === br && ai === bi);
      tally.infinite(infinite(ar, ai), infinite(br, bi));
    }
  }
  return tally.comparison();
}

/** The elements as numbers; complex ones in pairs. */
function numbers(bytes: Uint8Array, dtype: Dtype): ArrayLike<number> {
  const array = typedArrayOf(dtype, bytes);
  if (dtype === "float16") return float16ToFloat32(array as Uint16Array);
  if (dtype === "bfloat16") return bfloat16ToFloat32(array as Uint16Array);
  return array as ArrayLike<number>;
}

/** Counts what differs. Equal finite elements need not be told. */
class Tally {
  #out = 0;
  #maxAbs = 0;
  #maxRel = 0;
  #first = -1;
  readonly #nan: [number, number] = [0, 0];
  readonly #inf: [number, number] = [0, 0];

  constructor(
    private readonly elements: number,
    private readonly rtol: number,
    private readonly atol: number,
  ) {}

  /** Two finite elements, by their difference and the larger magnitude. */
  finite(index: number, difference: number, magnitude: number): void {
    const abs = Math.abs(difference);
    if (abs > this.#maxAbs) this.#maxAbs = abs;
    if (abs > 0 && abs / magnitude > this.#maxRel) this.#maxRel = abs / magnitude;
    if (abs > Math.max(this.atol, this.rtol * magnitude)) this.#differ(index);
  }

  /** Two elements of which one at least is not finite: whether each is NaN, and whether they are equal. */
  notFinite(index: number, a: boolean, b: boolean, equal: boolean): void {
    if (a) this.#nan[0]++;
    if (b) this.#nan[1]++;
    if (!equal && !(a && b)) this.#differ(index);
  }

  /** Which of two elements is infinite. */
  infinite(a: boolean, b: boolean): void {
    if (a) this.#inf[0]++;
    if (b) this.#inf[1]++;
  }

  #differ(index: number): void {
    if (this.#out === 0) this.#first = index;
    this.#out++;
  }

  comparison(): Comparison {
    return {
      elements: this.elements,
      out: this.#out,
      maxAbs: this.#maxAbs,
      maxRel: this.#maxRel,
      nan: this.#nan,
      inf: this.#inf,
      first: this.#first,
    };
  }
}
