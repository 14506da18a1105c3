import type { ErrorCode } from "../contract/errors.js";
import { DavitError, type ErrorDetails } from "../error.js";
import { formatType, type TensorType } from "../tensor/dtype.js";

/** The place where a graph is wrong, and what would be right. */
export interface GraphErrorDetails extends ErrorDetails {
  /** The name of the function. */
  readonly function?: string | undefined;
  /** The index of the node in its function. */
  readonly node?: number | undefined;
}

/** A graph that is wrong: what is wrong in one sentence, followed by where. */
export class GraphError extends DavitError {
  declare readonly code: ErrorCode;
  readonly details: GraphErrorDetails;
  /** The message without the place. */
  readonly reason: string;

  constructor(code: ErrorCode, message: string, details: GraphErrorDetails = {}) {
    const expected = details.expected === undefined ? "" : `; expected ${details.expected}`;
    super(code, message + expected + formatPlace(details), details);
    this.reason = message;
    this.details = details;
  }

  /** The same error with details that its maker did not know; what it knew stays. */
  within(outer: GraphErrorDetails): GraphError {
    const known = Object.entries(this.details).filter(([, value]) => value !== undefined);
    return new GraphError(this.code, this.reason, { ...outer, ...Object.fromEntries(known) });
  }
}

/** So many types are written; a node may have tens of thousands of operands. */
const SHOWN_TYPES = 8;

/** Writes operand types as a call: `(float32[2, 3], int32[])`; of many the first ones. */
export function formatTypes(types: readonly (TensorType | null)[]): string {
  const texts = types
    .slice(0, SHOWN_TYPES)
    .map((type) => (type === null ? "absent" : formatType(type)));
  if (types.length > SHOWN_TYPES) texts.push(`… ${types.length - SHOWN_TYPES} more`);
  return `(${texts.join(", ")})`;
}

/** Writes where an error is: ` [op add(float32[2], int32[]), label "loss"]`; nothing where that is not known. */
export function formatPlace(details: GraphErrorDetails): string {
  const parts: string[] = [];
  if (details.op !== undefined) parts.push(`op ${details.op}${formatInputs(details.inputs)}`);
  if (details.label !== undefined) parts.push(`label "${details.label}"`);
  if (details.node !== undefined) parts.push(`node ${details.node}`);
  if (details.function !== undefined) parts.push(`function "${details.function}"`);
  return parts.length === 0 ? "" : ` [${parts.join(", ")}]`;
}

function formatInputs(inputs: readonly (TensorType | null)[] | undefined): string {
  return inputs === undefined ? "" : formatTypes(inputs);
}
