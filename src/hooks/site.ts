import type { SiteKind } from "../contract/hooks.js";
import type { ProgramId } from "../native.js";
import type { TensorType } from "../tensor/dtype.js";

/** A node of a program that can be watched: a hook, a hook of gradients, a print, a callback, or any node with a label. */
export interface Site {
  /** The node's number in program order, counted over all functions. */
  readonly number: number;
  /** Its index in its function. */
  readonly node: number;
  /** The function's name. */
  readonly function: string;
  readonly kind: SiteKind;
  /** 16 bytes; only a plain node has none. */
  readonly id?: Uint8Array;
  readonly name?: string;
  readonly label?: string;
  /** The last value says who gets the others, in a form that the client knows. */
  readonly destination?: true;
  /** The options of a print. */
  readonly print?: { readonly precision?: number; readonly limit?: number };
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
