import { formatTypes, GraphError } from "../graph/error.js";
import { isError } from "../realm.js";
import type { TensorType } from "../tensor/dtype.js";

/** What is known of the place where something failed. */
export interface DavitErrorDetails {
  readonly op?: string | undefined;
  readonly label?: string | undefined;
  /** The node's number in program order, counted over all functions. */
  readonly site?: number | undefined;
  readonly inputs?: readonly TensorType[] | undefined;
  readonly expected?: string | undefined;
  readonly cause?: unknown;
}

/** An error of the engine: `code` is stable, the message is for people and names op, label and types. */
export class DavitError extends Error {
  override readonly name = "DavitError";
  readonly code: string;
  readonly op: string | undefined;
  readonly label: string | undefined;
  readonly site: number | undefined;
  readonly inputs: readonly TensorType[] | undefined;
  readonly expected: string | undefined;

  constructor(code: string, message: string, details: DavitErrorDetails = {}) {
    super(
      message + where(details),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.op = details.op;
    this.label = details.label;
    this.site = details.site;
    this.inputs = details.inputs;
    this.expected = details.expected;
  }
}

function where({ op, label, inputs }: DavitErrorDetails): string {
  if (op === undefined) return "";
  const types = inputs === undefined ? "" : formatTypes(inputs);
  return label === undefined ? ` [op ${op}${types}]` : ` [op ${op}${types}, label "${label}"]`;
}

/** Turns what the graph or the addon throws into a {@link DavitError}; anything else stays as it is. */
export function toDavitError(error: unknown): unknown {
  if (error instanceof DavitError) return error;
  if (error instanceof GraphError) {
    const { op, label, inputs, expected } = error.details;
    const wrapped = new DavitError(error.code, error.reason, {
      op,
      label,
      inputs: inputs?.filter((type) => type !== null),
      expected,
      cause: error,
    });
    wrapped.message = error.message;
    return wrapped;
  }
  if (isError(error) && typeof (error as { code?: unknown }).code === "string") {
    return new DavitError((error as unknown as { code: string }).code, error.message, {
      cause: error,
    });
  }
  return error;
}

/** Runs something that may throw an error of the graph or of the addon. */
export function guarded<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toDavitError(error);
  }
}
