import type { SiteFields } from "../contract/hooks.js";
import type { ProgramId } from "../native.js";
import type { TensorType } from "../tensor/dtype.js";

/** A node of a program that can be watched: a hook, a hook of gradients, a print, a callback, or any node with a label. */
export interface Site extends SiteFields {
  /** The function's name. */
  readonly function: string;
  /** The types of its values; of a callback, of what it is answered with. */
  readonly types: readonly TensorType[];
  /** The types of a callback's operands. */
  readonly operands?: readonly TensorType[];
}

/** A loaded program and its sites. */
export interface ProgramSites {
  readonly id: ProgramId;
  readonly sites: readonly Site[];
}
