import { type Dtype, formatType, sameType } from "../src/tensor/dtype.js";
import { decode } from "../test/support/data.js";
import { faultOf, type Value, type Verdict } from "./outcome.js";

/**
 * How far floats may be apart, relative to the greater of 1 and the value. Sums may be added up in another order, and
 * kernels of Davit's own are not exact to the same bits as MLX's, which round every addition of halves.
 */
const TOLERANCE = 1e-2;
const HALF_TOLERANCE = 5e-2;

/** How many times what moving the data by a last digit does is no difference. */
const NUDGES = 16;

/**
 * What of two runs of a case is different; undefined where nothing is. An error is as good as another. `nudged` is a run
 * like `other` whose data were moved by a last digit: values that this moves are compared less strictly.
 */
export function differenceOf(one: Verdict, other: Verdict, nudged?: Verdict): string | undefined {
  if (faultOf(one) !== undefined || faultOf(other) !== undefined) return undefined;
  if (one.kind !== "ok" || other.kind !== "ok") {
    if (one.kind === other.kind || isTimed(one) || isTimed(other)) return undefined;
    return `${describe(one)} and ${describe(other)}`;
  }
  if (one.digest === other.digest) return undefined;
  if (one.order !== other.order) return "the order of hook events";
  const moved = nudged?.kind === "ok" ? nudged.values : undefined;
  return valuesDifference(one.values ?? [], other.values ?? [], moved ?? other.values ?? []);
}

/** Errors that depend on how fast or how large a machine is. */
function isTimed(verdict: Verdict): boolean {
  return verdict.kind === "error" && ["cancelled", "memory_exhausted"].includes(verdict.code);
}

function describe(verdict: Verdict): string {
  return verdict.kind === "error" ? `the error ${verdict.code} (${verdict.message})` : verdict.kind;
}

function valuesDifference(
  one: readonly Value[],
  other: readonly Value[],
  moved: readonly Value[],
): string | undefined {
  const problems = one.map((value, index) => {
    const problem = difference(value, other[index] as Value, moved[index] as Value);
    return problem && `value ${index}: ${problem}`;
  });
  return problems.find((problem) => problem !== undefined);
}

function difference(one: Value, other: Value, moved: Value): string | undefined {
  const { type } = one;
  if (!sameType(type, other.type)) return `${formatType(type)} and ${formatType(other.type)}`;
  const left = decode(one);
  const right = decode(other);
  const near = decode(moved);
  const tolerance = isHalf(type.dtype) ? HALF_TOLERANCE : TOLERANCE;
  const at = left.findIndex((value, index) => {
    const nudge = Math.abs(Number(near[index]) - Number(right[index])) || 0;
    return !close(value, right[index], tolerance + NUDGES * nudge);
  });
  return at === -1 ? undefined : `${left[at]} and ${right[at]} at ${at} of ${formatType(type)}`;
}

function close(a: number | bigint, b: number | bigint | undefined, tolerance: number): boolean {
  if (a === b) return true;
  if (typeof a !== "number" || typeof b !== "number") return false;
  // In one order a sum overflows to an infinity, in another to both, which make no number.
  if (!Number.isFinite(a) && !Number.isFinite(b)) return true;
  return Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));
}

/** Whether a dtype is one of half precision. */
export function isHalf(dtype: Dtype): boolean {
  return dtype === "float16" || dtype === "bfloat16";
}
