import { isError } from "./realm.js";
import type { TensorType } from "./tensor/dtype.js";

/** The place where something failed, as far as it is known. */
export interface ErrorDetails {
  readonly op?: string | undefined;
  readonly label?: string | undefined;
  /** The node's number in program order, counted over all functions. */
  readonly site?: number | undefined;
  /** The operands' types; null where an optional operand is absent. */
  readonly inputs?: readonly (TensorType | null)[] | undefined;
  readonly expected?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The error of everything that Davit refuses or that fails. `code` is stable, and docs/errors.md lists all codes; the
 * message is for people, and names the value, what was expected, and op, label and types where they are known.
 */
export class DavitError extends Error {
  /** The name of this class. */
  override readonly name = "DavitError";
  /** The stable code of the error. */
  readonly code: string;
  /** The op of the node at fault. */
  readonly op: string | undefined;
  /** The label of the node at fault. */
  readonly label: string | undefined;
  /** The number of the node at fault in program order, counted over all functions. */
  readonly site: number | undefined;
  /** The types of the operands of the node at fault; null where an optional operand is absent. */
  readonly inputs: readonly (TensorType | null)[] | undefined;
  /** The values or types that would have been right. */
  readonly expected: string | undefined;

  /** Makes an error with a code; the message is for people. */
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.op = details.op;
    this.label = details.label;
    this.site = details.site;
    this.inputs = details.inputs;
    this.expected = details.expected;
  }
}

/** Returns the error of an argument that is not what was expected. */
export function argumentInvalid(problem: string, expected: string): DavitError {
  return new DavitError("argument_invalid", `${problem}; expected ${expected}`, { expected });
}

/** Returns an error of the addon as a {@link DavitError}; anything else as it is. */
export function toDavitError(error: unknown): unknown {
  if (error instanceof DavitError || !isError(error)) return error;
  const { code, message } = error as Error & { readonly code?: unknown };
  return typeof code === "string" ? new DavitError(code, message, { cause: error }) : error;
}

/** Calls a function that may throw an error of the addon. */
export function guarded<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toDavitError(error);
  }
}
