import { type Dtype, formatType, sameType } from "../../src/tensor/dtype.js";
import { decode, type TestTensor } from "./data.js";

/** How far floats may be apart: relative to the greater of 1 and the value. Integers must be equal. */
const TOLERANCE: Partial<Record<Dtype, number>> = {
  float16: 2e-3,
  bfloat16: 1.6e-2,
  float32: 2e-6,
  float64: 1e-13,
  complex64: 2e-6,
};

/** What is different between two tensors, in one sentence; undefined where nothing is. */
export function difference(
  actual: TestTensor,
  expected: TestTensor,
  tolerance = TOLERANCE[expected.type.dtype] ?? 0,
): string | undefined {
  if (!sameType(actual.type, expected.type)) {
    return `type ${formatType(actual.type)} instead of ${formatType(expected.type)}`;
  }
  const left = decode(actual);
  const right = decode(expected);
  if (left.length !== right.length) return `${left.length} values instead of ${right.length}`;
  const wrong = left.findIndex((value, index) => !close(value, right[index] as number, tolerance));
  if (wrong === -1) return undefined;
  return `${left[wrong]} instead of ${right[wrong]} at ${wrong} of ${formatType(expected.type)}`;
}

function close(a: number | bigint, b: number | bigint, tolerance: number): boolean {
  if (a === b) return true;
  if (typeof a === "bigint" || typeof b === "bigint") return false;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
  return Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));
}
