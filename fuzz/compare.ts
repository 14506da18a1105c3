import { difference } from "../test/support/compare.js";
import { faultOf, type Value, type Verdict } from "./outcome.js";

/** Products may be added up in another order, and kernels of Davit's own are not exact to the same bits as MLX's. */
const TOLERANCE = 1e-2;

/** What of two runs of a case is different; undefined where nothing is. An error is as good as another. */
export function differenceOf(one: Verdict, other: Verdict): string | undefined {
  if (faultOf(one) !== undefined || faultOf(other) !== undefined) return undefined;
  if (one.kind !== "ok" || other.kind !== "ok") {
    if (one.kind === other.kind || isTimed(one) || isTimed(other)) return undefined;
    return `${describe(one)} and ${describe(other)}`;
  }
  if (one.digest === other.digest) return undefined;
  if (one.order !== other.order) return "the order of hook events";
  return valuesDifference(one.values ?? [], other.values ?? []);
}

/** Errors that depend on how fast or how large a machine is. */
function isTimed(verdict: Verdict): boolean {
  return verdict.kind === "error" && ["cancelled", "memory_exhausted"].includes(verdict.code);
}

function describe(verdict: Verdict): string {
  return verdict.kind === "error" ? `the error ${verdict.code} (${verdict.message})` : verdict.kind;
}

function valuesDifference(one: readonly Value[], other: readonly Value[]): string | undefined {
  const problems = one.map((value, index) => {
    const problem = difference(value, other[index] as Value, TOLERANCE);
    return problem && `value ${index}: ${problem}`;
  });
  return problems.find((problem) => problem !== undefined);
}
