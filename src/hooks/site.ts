import type { ProgramId } from "../native.js";
import type { TensorType } from "../tensor/dtype.js";

/** A node of a program that can be watched: a hook, a hook of gradients, a print, a call, or any node with a label. */
export interface Site {
  /** The node's number in program order, counted over all functions. */
  readonly site: number;
  /** Its index in its function. */
  readonly node: number;
  /** The function's name. */
  readonly function: string;
  readonly kind: "hook" | "hook_gradient" | "print" | "call" | "node";
  /** 16 bytes; only a plain node has none. */
  readonly id?: Uint8Array;
  readonly name?: string;
  readonly label?: string;
  /** The last value says who gets the others, in a form that the client knows. */
  readonly destination?: true;
  /** How a print is rendered, where it says so. */
  readonly print?: { readonly precision?: number; readonly limit?: number };
  /** The types of its values; of a call, of what it is answered with. */
  readonly types: readonly TensorType[];
  /** The types of a call's operands. */
  readonly operands?: readonly TensorType[];
}

/** What the router needs to know of a loaded program. */
export interface WatchedProgram {
  readonly id: ProgramId;
  readonly sites: readonly Site[];
}
