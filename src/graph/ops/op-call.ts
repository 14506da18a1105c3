import type { TensorType } from "../../tensor/dtype.js";
import type { Attributes } from "../graph.js";

/** A call as a guard sees it: everything that is known before a value is computed, with defaults filled in. */
export interface OpCall {
  readonly op: string;
  /** The operands' types; null where an optional operand is absent. */
  readonly inputs: readonly (TensorType | null)[];
  readonly attributes: Attributes;
}
