import type { Attribute } from "../graph.js";
import type { OpCall } from "./op-call.js";
import type { OutputCount } from "./outputs.js";
import type { TypeRule } from "./types.js";

export type { OpCall } from "./op-call.js";

/** What an attribute may hold. The canonical encoding is typed by it: `float` is always 8 raw bytes. */
export type AttributeKind =
  | "bool"
  | "int"
  | "ints"
  | "float"
  | "floats"
  | "string"
  | "strings"
  | "dtype"
  | "bytes"
  | "function"
  | "functions"
  | "types";

/**
 * What the work of a call grows with, for the native engine to plan by:
 *
 * - `elementwise`: the elements of its results;
 * - `reduction`: the elements of its first operand;
 * - `matmul`: a row of the first operand for each element of the result;
 * - `contraction`: likewise, but its inner size cannot be seen in the first operand;
 * - `convolution`: a weight for each element of the result;
 * - `transform`: somewhat more than the elements, in kernels of its own;
 * - `factorization`: the third power of the size of matrices.
 */
export const WORK = [
  "elementwise",
  "reduction",
  "matmul",
  "contraction",
  "convolution",
  "transform",
  "factorization",
] as const;
export type Work = (typeof WORK)[number];

/** One attribute of an op. */
export interface AttributeSpec {
  readonly kind: AttributeKind;
  /** Whether it may be absent although it has no default: what is absent then follows from the call, as `doc` says. */
  readonly optional?: true;
  /** What an absent one is taken as. */
  readonly default?: Attribute;
  /** Attributes in place of which it stands: where one of them is given, it has no default. */
  readonly unless?: readonly string[];
  /** For strings: the values allowed. */
  readonly values?: readonly string[];
  readonly doc: string;
}

/** One row of the op table. */
export interface OpSpec {
  /** One sentence, for `docs/ops.md` and for hovering. */
  readonly doc: string;
  /** Names of the operands in order. A trailing `?` marks an optional one; a last `"...name"` takes any number. */
  readonly operands: readonly string[];
  /** Operands, by name, that hold positions: numbers for them become int32, whatever the dtype of the others. */
  readonly roles?: Readonly<Record<string, "index">>;
  readonly attributes: Readonly<Record<string, AttributeSpec>>;
  /** How many values it makes. Default 1. */
  readonly outputs?: OutputCount;
  /** Default `elementwise`. */
  readonly work?: Work;
  /** Whether it is no op of MLX: a value without operands, control flow, a custom call. Builders make such nodes in ways of their own. */
  readonly structural?: true;
  /** The type of its only result, where that is simple. */
  readonly type?: TypeRule;
  /** Refuses what MLX would not refuse cleanly: throws a `GraphError` with a code, a value and what was expected. */
  readonly guard?: (call: OpCall) => void;
}

/** A group of rows, as one file of the table has them. */
export type OpFamily = Readonly<Record<string, OpSpec>>;
