import { formatType, type TensorType } from "../tensor/dtype.js";

/** Where a graph is wrong and what would be right. */
export interface GraphErrorDetails {
  readonly op?: string | undefined;
  readonly label?: string | undefined;
  /** The name of the function. */
  readonly function?: string | undefined;
  /** The index of the node in its function. */
  readonly node?: number | undefined;
  /** The operands' types; null where an optional operand is absent. */
  readonly inputs?: readonly (TensorType | null)[] | undefined;
  readonly expected?: string | undefined;
  readonly cause?: unknown;
}

/**
 * A graph that is wrong: what is wrong in one sentence, followed by where.
 * `code` is stable; the text is not.
 */
export class GraphError extends Error {
  readonly code: string;
  readonly details: GraphErrorDetails;
  /** What is wrong, without where. */
  readonly reason: string;

  constructor(code: string, message: string, details: GraphErrorDetails = {}) {
    super(
      message + describe(details),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.name = "GraphError";
    this.code = code;
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

function describe(details: GraphErrorDetails): string {
  const parts: string[] = [];
  if (details.op !== undefined) parts.push(`op ${details.op}${formatInputs(details.inputs)}`);
  if (details.label !== undefined) parts.push(`label "${details.label}"`);
  if (details.node !== undefined) parts.push(`node ${details.node}`);
  if (details.function !== undefined) parts.push(`function "${details.function}"`);
  const where = parts.length === 0 ? "" : ` [${parts.join(", ")}]`;
  return details.expected === undefined ? where : `; expected ${details.expected}${where}`;
}

function formatInputs(inputs: readonly (TensorType | null)[] | undefined): string {
  return inputs === undefined ? "" : formatTypes(inputs);
}
