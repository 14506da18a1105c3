/** A value that does not fit a tensor. `code` is stable. */
export class TensorError extends Error {
  override readonly name = "TensorError";
  readonly code: "value_invalid" | "shape_invalid" | "value_size";

  constructor(code: TensorError["code"], message: string) {
    super(message);
    this.code = code;
  }
}
