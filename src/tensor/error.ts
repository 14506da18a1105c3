import { DavitError } from "../error.js";

/** A value that does not fit a tensor. */
export class TensorError extends DavitError {
  declare readonly code: "value_invalid" | "shape_invalid" | "value_size";

  constructor(code: TensorError["code"], message: string) {
    super(code, message);
  }
}
