import { DavitError, guarded } from "./error.js";
import type { NativeEngine, ValueId } from "./native.js";
import { type Dtype, formatType, type TensorType } from "./tensor/dtype.js";
import { formatTensor } from "./tensor/format.js";
import { fromBytes, type NestedArray, type TypedArray, typedArray } from "./tensor/values.js";

/**
 * A tensor of an engine. Its memory is freed when nothing refers to it any more, or by {@link Tensor.dispose}; in
 * TypeScript also at the end of the block that declares it with `using`.
 */
export class Tensor implements Disposable {
  /** Dtype and shape. */
  readonly type: TensorType;
  /** Resolves when the value is computed; rejects with what made its run fail. */
  readonly ready: Promise<void>;
  readonly #native: NativeEngine;
  #value: ValueId | (() => ValueId);
  #freed = false;
  #view: ArrayBuffer | undefined;

  /** For the engine: takes over the name of a native tensor, or makes one when it is first needed. @internal */
  constructor(
    native: NativeEngine,
    value: ValueId | (() => ValueId),
    type: TensorType,
    ready?: Promise<void>,
  ) {
    this.type = type;
    this.#native = native;
    this.#value = value;
    this.ready = ready ?? Promise.resolve();
    // A tensor of a failed run that is never read must not be an unhandled rejection: the run rejects as well.
    this.ready.catch(() => {});
    if (typeof value === "number") native.hold(this, value);
  }

  /** The type of its elements. */
  get dtype(): Dtype {
    return this.type.dtype;
  }

  /** Its sizes, outermost first; empty for a scalar. */
  get shape(): readonly number[] {
    return this.type.shape;
  }

  /**
   * The native tensor's number.
   * @throws DavitError `tensor_freed`
   * @internal
   */
  get value(): ValueId {
    if (this.#freed) {
      throw new DavitError("tensor_freed", `the tensor ${formatType(this.type)} was freed`);
    }
    if (typeof this.#value === "function") {
      this.#value = guarded(this.#value);
      this.#native.hold(this, this.#value);
    }
    return this.#value;
  }

  /**
   * The native tensor's number, for an engine that is to compute with it.
   * @throws DavitError `tensor_freed`, `tensor_foreign`
   * @internal
   */
  valueIn(native: NativeEngine): ValueId {
    if (this.#native !== native) {
      const message = `the tensor ${formatType(this.type)} is another engine's; expected one of this engine`;
      throw new DavitError("tensor_foreign", message, { expected: "a tensor of this engine" });
    }
    return this.value;
  }

  /**
   * Computes the value, or reads it from its file. A view of it would keep the memory until it is collected as garbage, and none is left.
   * @internal
   */
  async evaluate(): Promise<void> {
    await this.ready;
    const { value } = this;
    guarded(() => this.#native.release(this.#native.read(value)));
  }

  /** The value's bytes: row by row, little-endian. Not a copy: do not write to them. */
  async bytes(): Promise<Uint8Array> {
    await this.ready;
    return new Uint8Array(this.#read());
  }

  /**
   * The value as a typed array over the engine's memory, without a copy where it has no gaps: bool as
   * Uint8Array, float16 and bfloat16 as their bits in a Uint16Array, complex64 as pairs in a
   * Float32Array. It keeps the memory alive, after the tensor was freed too. Other tensors may share
   * the memory: do not write to it.
   * @throws DavitError `tensor_pending` before {@link Tensor.ready} has resolved.
   */
  view(): TypedArray {
    return typedArray(this.dtype, this.#read());
  }

  /** The value as numbers in nested arrays; a scalar as a number. 64-bit integers are bigints, complex numbers pairs. */
  async toArray(): Promise<NestedArray> {
    return fromBytes(await this.bytes(), this.type);
  }

  /** Prints the value as MLX does. */
  async format(options?: { precision?: number; limit?: number }): Promise<string> {
    return formatTensor(await this.bytes(), this.type, options);
  }

  /** Whether it was freed, by {@link Tensor.dispose} or by a run that it was donated to. */
  get freed(): boolean {
    return this.#freed;
  }

  /** Frees the tensor now; runs that were given it go on. */
  dispose(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#view = undefined;
    if (typeof this.#value === "number") this.#native.free(this.#value);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #read(): ArrayBuffer {
    const { value } = this;
    // A buffer that was transferred to another thread is gone.
    const taken = this.#view?.byteLength === 0;
    if (this.#view === undefined || taken) this.#view = guarded(() => this.#native.read(value));
    return this.#view;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Tensor ${formatType(this.type)}${this.#freed ? " (freed)" : ""}`;
  }
}
