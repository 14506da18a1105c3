import type { ErrorCodeOf } from "../contract/errors.js";
import { DavitError, type ErrorDetails } from "../error.js";

/** Why a model was refused. Stable: callers may match on it. */
export type ModelErrorCode = ErrorCodeOf<"model">;

/** A model, its weights, its tokenizer or its texts that cannot be used. */
export class ModelError extends DavitError {
  /** The stable code of the error. */
  declare readonly code: ModelErrorCode;

  /** Makes an error of what was found, and what was expected. */
  constructor(code: ModelErrorCode, problem: string, expected: string, details: ErrorDetails = {}) {
    super(code, `${problem}; expected ${expected}`, { ...details, expected });
  }
}
