import { type Dtype, formatType, type TensorType } from "../tensor/dtype.js";

/** A value of a function that is being traced: its type is known, its elements are not. */
export class Traced {
  /** Dtype and shape. */
  readonly type: TensorType;

  /** @internal */
  constructor(
    /** The function that it belongs to. @internal */
    readonly builder: object,
    type: TensorType,
  ) {
    this.type = type;
  }

  /** The type of its elements. */
  get dtype(): Dtype {
    return this.type.dtype;
  }

  /** Its sizes, outermost first; empty for a scalar. */
  get shape(): readonly number[] {
    return this.type.shape;
  }

  /** The number of its axes. */
  get ndim(): number {
    return this.type.shape.length;
  }

  /** Refuses arithmetic in JavaScript, which would make NaN: a traced value has no elements yet. */
  [Symbol.toPrimitive](): never {
    throw new TypeError(
      `a traced ${formatType(this.type)} has no value yet; use the functions of mx, such as mx.add(a, b)`,
    );
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Traced ${formatType(this.type)}`;
  }
}
