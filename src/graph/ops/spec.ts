import type { TensorType } from "../../tensor/dtype.js";
import type { Attributes } from "../graph.js";
import type { OutputCount } from "./outputs.js";

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

/** One attribute of an op. */
export interface AttributeSpec {
  readonly kind: AttributeKind;
  readonly optional?: true;
  /** For strings: the values allowed. */
  readonly values?: readonly string[];
  readonly doc: string;
}

/** A call as a guard sees it: everything that is known before a value is computed. */
export interface OpCall {
  readonly op: string;
  /** The operands' types; null where an optional operand is absent. */
  readonly inputs: readonly (TensorType | null)[];
  readonly attributes: Attributes;
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
  /** Refuses what MLX would not refuse cleanly: throws a `GraphError` with a code, a value and what was expected. */
  readonly guard?: (call: OpCall) => void;
}

/** A group of rows, as one file of the table gives them. */
export type OpFamily = Readonly<Record<string, OpSpec>>;
