import { DavitError, guarded } from "./error.js";
import type { NativeEngine, ValueId } from "./native.js";
import { type TensorMemory, tensorMemory } from "./tensor/dlpack.js";
import { type Dtype, formatType, type TensorType } from "./tensor/dtype.js";
import { formatTensor } from "./tensor/format.js";
import { fromBytes, type NestedArray, type TypedArray } from "./tensor/values.js";
import { float32Copy, type ReadonlyTypedArray, viewArray } from "./tensor/view.js";

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
  /** Whether a writable view was given. */
  #lent = false;
  /** Whether others rely on the value. */
  #sealed = false;

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

  /** The engine that it is a tensor of. @internal */
  get native(): NativeEngine {
    return this.#native;
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
   * The value as a typed array over the engine's memory, without a copy where it has no gaps and more than 4 KiB: bool as Uint8Array, float16 as
   * Float16Array where the runtime has it and else as its bits in a Uint16Array, bfloat16 as its bits, complex64 as pairs in a Float32Array. It
   * keeps the memory alive, after the tensor was freed too.
   *
   * Others may have the memory, so it is not to be written to, which TypeScript sees to; JavaScript has no typed array that could refuse.
   * @throws DavitError `tensor_pending` before {@link Tensor.ready} has resolved, `tensor_freed`
   */
  view(options?: { readonly writable?: false }): ReadonlyTypedArray;
  /**
   * The same, to be written to, of a tensor whose memory nobody else has. What is written is the tensor's value for runs that begin later; none
   * that has the tensor may be under way meanwhile. Derivatives and the constants of programs do not see it.
   * @throws DavitError `tensor_shared` where others have the memory, `memory_external` where the runtime allows no views of it, and as above
   */
  view(options: { readonly writable: true }): TypedArray;
  view({ writable = false }: { readonly writable?: boolean } = {}): ReadonlyTypedArray {
    return viewArray(this.dtype, writable ? this.#write() : this.#read()) as ReadonlyTypedArray;
  }

  /**
   * The value as float32, in memory of its own, whichever dtype the tensor has.
   * @throws DavitError as {@link Tensor.view}, `type_invalid` for complex64
   */
  toFloat32(): Float32Array {
    return float32Copy(this.type, this.#read());
  }

  /**
   * The memory of the value as it lies, without a copy, for other addons: address, dtype, shape and strides as DLPack has them.
   * @throws DavitError `tensor_pending`, `tensor_freed`, `memory_external`
   */
  dlpack(): TensorMemory {
    const { value } = this;
    return guarded(() => tensorMemory(this.type, this.#native.layout(value)));
  }

  /** Whether a writable view was given: the value may change. @internal */
  get changeable(): boolean {
    return this.#lent;
  }

  /**
   * Refuses writable views from now on, as others rely on the value. One that was given ends: its length becomes 0.
   * @internal
   */
  seal(): void {
    this.#sealed = true;
    if (!this.#lent) return;
    if (this.#view !== undefined) this.#native.release(this.#view);
    this.#view = undefined;
    this.#lent = false;
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
    // A buffer that was transferred to another thread is gone: only those of copies can be.
    const taken = this.#view?.byteLength === 0;
    if (this.#view === undefined || taken) this.#view = guarded(() => this.#native.read(value));
    return this.#view;
  }

  #write(): ArrayBuffer {
    const { value } = this;
    if (this.#sealed) {
      const expected = "a tensor that nobody else has";
      const message = `the tensor ${formatType(this.type)} is a parameter of a materialized module; expected ${expected}`;
      throw new DavitError("tensor_shared", message, { expected });
    }
    const known = this.#view;
    this.#view = guarded(() => this.#native.writable(value, known));
    this.#lent = true;
    return this.#view;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Tensor ${formatType(this.type)}${this.#freed ? " (freed)" : ""}`;
  }
}
