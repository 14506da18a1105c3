import { nearest } from "../nearest.js";
import { shorten } from "../show.js";
import { GraphError, type GraphErrorDetails } from "./error.js";
import { CUSTOM_CALLS } from "./ops/custom-call.js";
import { OPS } from "./ops/index.js";
import type { OpFamily, OpSpec } from "./ops/spec.js";
import { STRUCTURAL } from "./ops/structural.js";

/** Every op that a graph may hold. */
export const TABLE: OpFamily = { ...OPS, ...STRUCTURAL, ...CUSTOM_CALLS };

/**
 * An op's row.
 * @throws GraphError `op_unknown` with the nearest name.
 */
export function findOp(op: string, details: GraphErrorDetails = {}, table = TABLE): OpSpec {
  const spec = Object.hasOwn(table, op) ? table[op] : undefined;
  if (spec !== undefined) return spec;
  const guess = nearest(op, Object.keys(table));
  const hint = guess === undefined ? "" : `, did you mean "${guess}"?`;
  throw new GraphError("op_unknown", `there is no op "${shorten(op)}"${hint}`, {
    ...details,
    expected: "an op of docs/ops.md",
  });
}

/** How many operands an op takes. */
interface OperandCounts {
  readonly min: number;
  readonly max: number;
}

const COUNTS = new WeakMap<OpSpec, OperandCounts>();

/** The number of operands that an op takes. */
export function operandCounts(spec: OpSpec): OperandCounts {
  let counts = COUNTS.get(spec);
  if (counts === undefined) {
    const any = spec.operands.at(-1)?.startsWith("...") === true;
    const optional = (name: string) => name.endsWith("?") || name.startsWith("...");
    counts = {
      min: spec.operands.filter((name) => !optional(name)).length,
      max: any ? Number.POSITIVE_INFINITY : spec.operands.length,
    };
    COUNTS.set(spec, counts);
  }
  return counts;
}
