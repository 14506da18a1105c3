import type { ErrorCode } from "../contract/errors.js";
import { DavitError } from "../error.js";

/** A value that does not fit a tensor. */
export class TensorError extends DavitError {
  declare readonly code: Extract<
    ErrorCode,
    "type_invalid" | "value_invalid" | "shape_invalid" | "value_size_invalid"
  >;

  constructor(code: TensorError["code"], message: string, expected?: string) {
    super(code, expected === undefined ? message : `${message}; expected ${expected}`, {
      expected,
    });
  }
}
