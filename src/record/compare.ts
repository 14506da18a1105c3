import type { Dtype } from "../tensor/dtype.js";
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

/** How two tensors of one type differ. */
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
  const exact = !/float|complex/.test(dtype);
  const tally = new Tally(exact ? 0 : rtol, exact ? 0 : atol);
  const x = numbers(a, dtype);
  const y = numbers(b, dtype);
  if (dtype === "complex64") {
    for (let i = 0; i < x.length; i += 2) {
      tally.complex(x[i] as number, x[i + 1] as number, y[i] as number, y[i + 1] as number);
    }
  } else for (let i = 0; i < x.length; i++) tally.real(x[i] as number, y[i] as number);
  return tally.comparison();
}

function compareBigints(x: TypedArray, y: TypedArray): Comparison {
  const tally = new Tally(0, 0);
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [x[i] as bigint, y[i] as bigint];
    // Beyond 2^53 two different integers may round to one number.
    tally.add(Number(a - b), Math.max(Math.abs(Number(a)), Math.abs(Number(b))));
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

/** Counts what differs, element by element. */
class Tally {
  #elements = 0;
  #out = 0;
  #maxAbs = 0;
  #maxRel = 0;
  #first = -1;
  readonly #nan: [number, number] = [0, 0];
  readonly #inf: [number, number] = [0, 0];

  constructor(
    private readonly rtol: number,
    private readonly atol: number,
  ) {}

  real(a: number, b: number): void {
    if (Number.isFinite(a) && Number.isFinite(b)) {
      this.add(a - b, Math.max(Math.abs(a), Math.abs(b)));
    } else {
      this.#notFinite(Number.isNaN(a), Number.isNaN(b), a === b);
      if (Math.abs(a) === Infinity) this.#inf[0]++;
      if (Math.abs(b) === Infinity) this.#inf[1]++;
    }
  }

  complex(ar: number, ai: number, br: number, bi: number): void {
    const finite = [ar, ai, br, bi].every(Number.isFinite);
    if (finite) {
      this.add(Math.hypot(ar - br, ai - bi), Math.max(Math.hypot(ar, ai), Math.hypot(br, bi)));
      return;
    }
    const nan = (re: number, im: number) => Number.isNaN(re) || Number.isNaN(im);
    const inf = (re: number, im: number) => Math.hypot(re, im) === Infinity && !nan(re, im);
    this.#notFinite(nan(ar, ai), nan(br, bi), ar === br && ai === bi);
    if (inf(ar, ai)) this.#inf[0]++;
    if (inf(br, bi)) this.#inf[1]++;
  }

  /** Two finite elements, by their difference and the larger magnitude. */
  add(difference: number, magnitude: number): void {
    const abs = Math.abs(difference);
    if (abs > this.#maxAbs) this.#maxAbs = abs;
    if (abs > 0 && abs / magnitude > this.#maxRel) this.#maxRel = abs / magnitude;
    if (abs > Math.max(this.atol, this.rtol * magnitude)) this.#differ();
    this.#elements++;
  }

  #notFinite(a: boolean, b: boolean, equal: boolean): void {
    if (a) this.#nan[0]++;
    if (b) this.#nan[1]++;
    if (!equal && !(a && b)) this.#differ();
    this.#elements++;
  }

  #differ(): void {
    if (this.#out === 0) this.#first = this.#elements;
    this.#out++;
  }

  comparison(): Comparison {
    return {
      elements: this.#elements,
      out: this.#out,
      maxAbs: this.#maxAbs,
      maxRel: this.#maxRel,
      nan: this.#nan,
      inf: this.#inf,
      first: this.#first,
    };
  }
}
