import { resolve } from "node:path";
import type { WireType } from "../contract/engine-messages.js";
import { FileError } from "../files/error.js";
import type { NativeEngine, ValueId } from "../native.js";
import { describeThrown, listNames } from "../show.js";
import { byteLength, type TensorType } from "../tensor/dtype.js";
import { noteRun, ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import { openRanges } from "./open-file.js";
import type { Sender } from "./sender.js";
import { wireType } from "./wire.js";

/** A tensor that a client named: what its id was bound to at arrival. */
export class SessionTensor {
  /** Why it has no value. */
  error: unknown;
  /** Called when it is ready or has failed. */
  waiting: Set<() => void> | undefined;
  /** Users that need the value after its name is gone. */
  pins = 0;
  freed = false;
  /** Fails the tensor, where its bytes are still to come. Called when nobody needs them any more. */
  giveUp: (() => void) | undefined;
  /** Its bytes, by its type. */
  readonly bytes: number;

  constructor(
    /** 0 where it failed before the engine knew it. */
    readonly value: ValueId,
    readonly type: TensorType | undefined,
    public pending: boolean,
  ) {
    this.bytes = type === undefined ? 0 : byteLength(type);
  }
}

/** A tensor whose bytes are still to be written into its memory. */
export interface AllocatedTensor {
  readonly tensor: SessionTensor;
  readonly buffer: ArrayBuffer;
}

/** The tensors of one session, by the ids that its client chose. */
export class SessionTensors {
  readonly #tensors = new Map<number, SessionTensor>();
  #bytes = 0;
  #peak = 0;

  constructor(
    private readonly native: NativeEngine,
    private readonly sender: Sender,
    private readonly limits: { readonly tensors: number; readonly tensorBytes: number },
  ) {}

  get size(): number {
    return this.#tensors.size;
  }

  /** The bytes of all of them by their types, now and at most so far; memory that two of them share counts twice. */
  get bytes(): { readonly now: number; readonly peak: number } {
    return { now: this.#bytes, peak: this.#peak };
  }

  /** The bytes of some of them. @throws ProtocolError `tensor_unknown` */
  bytesOf(ids: readonly number[]): number {
    return ids.reduce((sum, id) => sum + this.find(id).bytes, 0);
  }

  /** The native tensors of those that did not fail before the engine knew them. */
  get values(): ValueId[] {
    return [...this.#tensors.values()].map(({ value }) => value).filter((value) => value !== 0);
  }

  /** Names a new tensor by `make`. A tensor that fails is named too, so that messages that depend on it fail with the same error. */
  make(id: number, make: () => void): void {
    this.checkNew(id);
    try {
      make();
    } catch (error) {
      this.defineFailed(id, error);
      throw error;
    }
  }

  /** Answers `open_file`. */
  openFile(request: number, { path, tensors }: MessageOf<"open_file">): void {
    for (const [, id] of tensors) this.checkNew(id);
    try {
      const file = openRanges(resolve(path));
      const types: Record<string, WireType> = {};
      for (const [name, id] of tensors) {
        const range = file.tensors.get(name);
        if (range === undefined) {
          const known = listNames([...file.tensors.keys()], name);
          throw new FileError("file_missing", path, `it has no tensor "${name}"`, known);
        }
        this.checkNew(id);
        this.admit(byteLength(range.type));
        const value = this.native.fileValue(file.path, range.offset, range.type);
        this.define(id, new SessionTensor(value, range.type, false));
        types[name] = wireType(range.type);
      }
      this.sender.ok<"open_file">(request, types);
    } catch (error) {
      for (const [, id] of tensors) {
        this.#free(id);
        this.defineFailed(id, error);
      }
      throw error;
    }
  }

  /** Frees names. Ids that are not there are left alone: the client may free what failed to be made. */
  free(ids: readonly number[]): void {
    for (const id of ids) this.#free(id);
  }

  #free(id: number): void {
    const tensor = this.#tensors.get(id);
    if (tensor === undefined) return;
    this.#tensors.delete(id);
    this.#bytes -= tensor.bytes;
    this.#drop(tensor);
  }

  /** @throws ProtocolError `tensor_unknown` */
  find(id: number): SessionTensor {
    const tensor = this.#tensors.get(id);
    if (tensor !== undefined) return tensor;
    throw new ProtocolError(
      "tensor_unknown",
      `there is no tensor ${id}; it was freed, or no message that makes it came before`,
    );
  }

  /** @throws ProtocolError `tensor_taken` or `tensor_limit_exceeded` */
  checkNew(id: number): void {
    if (this.#tensors.has(id)) {
      throw new ProtocolError("tensor_taken", `there is a tensor ${id} already`, "a new id");
    }
    if (this.#tensors.size >= this.limits.tensors) {
      const { tensors } = this.limits;
      throw new ProtocolError("tensor_limit_exceeded", `the session has ${tensors} tensors`);
    }
  }

  /** Checks that the session may have so many bytes more. @throws ProtocolError `tensor_limit_exceeded` */
  admit(bytes: number): void {
    const { tensorBytes } = this.limits;
    if (this.#bytes + bytes <= tensorBytes) return;
    throw new ProtocolError(
      "tensor_limit_exceeded",
      `tensors of ${bytes} bytes are to be made; the session has ${this.#bytes} and may have ${tensorBytes}`,
      `at most ${tensorBytes - this.#bytes} bytes`,
    );
  }

  /** Checks names that one message assigns; null is none. @throws ProtocolError as {@link checkNew} */
  checkAllNew(ids: readonly (number | null)[]): void {
    let named = 0;
    for (const id of ids) {
      if (id === null) continue;
      this.checkNew(id);
      named++;
    }
    if (named < 2 || new Set(ids).size >= named + Number(named < ids.length)) return;
    throw new ProtocolError("tensor_taken", "one id is given to two tensors", "new ids");
  }

  define(id: number, tensor: SessionTensor): void {
    this.#tensors.set(id, tensor);
    this.#bytes += tensor.bytes;
    if (this.#bytes > this.#peak) this.#peak = this.#bytes;
  }

  /**
   * Names a tensor whose bytes are still to be written, into `buffer`; until {@link SessionTensors.finish} it is pending. `giveUp` is
   * called where nobody needs them any more, and finishes it with an error.
   */
  allocate(id: number, type: TensorType, giveUp: () => void): AllocatedTensor {
    this.admit(byteLength(type));
    const { value, bytes: buffer } = this.native.allocate(type);
    const tensor = new SessionTensor(value, type, true);
    tensor.giveUp = giveUp;
    this.define(id, tensor);
    return { tensor, buffer };
  }

  /** The bytes of an allocated tensor are all there, or never will be: `error` says why. */
  finish(tensor: SessionTensor, error?: unknown): void {
    tensor.giveUp = undefined;
    if (error === undefined) {
      this.native.publish(tensor.value);
    } else {
      const { code = "internal", message } = describeThrown(error);
      this.native.fail(tensor.value, code, message);
    }
    this.settle(tensor, error);
  }

  /** Names what could not be made, unless the name is taken. */
  defineFailed(id: number, error: unknown): void {
    if (this.#tensors.has(id)) return;
    noteRun(error, 0);
    const tensor = new SessionTensor(0, undefined, false);
    tensor.error = error;
    this.#tensors.set(id, tensor);
  }

  /** Calls back when a pending tensor is ready or failed. */
  whenSettled(tensor: SessionTensor, callback: () => void): void {
    tensor.waiting ??= new Set();
    tensor.waiting.add(callback);
  }

  /** A pending tensor is ready, or failed. */
  settle(tensor: SessionTensor, error?: unknown): void {
    tensor.pending = false;
    tensor.error = error;
    const { waiting } = tensor;
    if (waiting === undefined) return;
    tensor.waiting = undefined;
    for (const callback of waiting) callback();
  }

  /** Somebody needs the value no longer. */
  unpin(tensor: SessionTensor): void {
    tensor.pins--;
    this.#letGo(tensor);
  }

  /** The name is gone, and with it the value once nobody needs it. */
  #drop(tensor: SessionTensor): void {
    if (tensor.freed || tensor.value === 0) return;
    tensor.freed = true;
    this.#letGo(tensor);
  }

  #letGo(tensor: SessionTensor): void {
    if (!tensor.freed || tensor.pins > 0) return;
    tensor.giveUp?.();
    this.native.free(tensor.value);
  }

  /** The session ends. */
  close(): void {
    // A callback that waits for a pending tensor holds others, and lets go of them when it is called.
    for (const tensor of this.#tensors.values()) this.#drop(tensor);
    this.#tensors.clear();
    this.#bytes = 0;
  }
}
