import type { Writable } from "node:stream";
import { PortError } from "./error.js";
import { maxLength, type PacketSize } from "./packet.js";

/** Headers and small parts are gathered in blocks of this size. */
const BLOCK = 64 * 1024;
/** Shorter parts are copied into a block, others are written from where they are. */
const COPY_BELOW = 8 * 1024;
/** A batch handed to the stream ends with the chunk that reaches this many bytes. */
const BATCH = 256 * 1024;

interface Waiter {
  most: number;
  resolve: () => void;
  reject: (error: PortError) => void;
}

/**
 * Frames packets and writes them to a stream: all frames of one turn of the event loop in one
 * system call, and one batch at a time, so that what gathers behind a slow peer leaves together.
 */
export class FrameWriter {
  #block = Buffer.allocUnsafeSlow(BLOCK);
  /** Bytes [start, position) of the block are in no chunk yet. */
  #start = 0;
  #position = 0;
  #chunks: Uint8Array[] = [];
  /** Bytes in #chunks and in the open part of the block. */
  #queued = 0;
  /** Bytes of the batch that the stream is writing. */
  #writing = 0;
  #scheduled = false;
  /** Bytes of all frames so far, and those of them that have left. */
  #taken = 0;
  #gone = 0;
  /** Frames whose writers want to know when they have left, with the bytes up to their ends. */
  #leaving: { readonly end: number; readonly left: () => void }[] = [];
  #waiters: Waiter[] = [];
  #closed: PortError | undefined;

  constructor(
    private readonly stream: Writable,
    readonly packet: PacketSize,
    readonly highWaterBytes: number,
  ) {}

  /** Bytes that the operating system has not taken yet, headers included. */
  get pendingBytes(): number {
    return this.#queued + this.#writing;
  }

  /**
   * Queues one frame. True while no more than `highWaterBytes` are pending. `left` is called when its parts are needed no
   * longer: they have left, or never will.
   */
  write(parts: Uint8Array | readonly Uint8Array[], left?: () => void): boolean {
    const list = parts instanceof Uint8Array ? [parts] : parts;
    let length = 0;
    for (const part of list) length += part.byteLength;
    if (length > maxLength(this.packet)) {
      throw new PortError(
        "frame_too_large",
        `a frame of ${length} bytes was to be written; {packet, ${this.packet}} ends at ${maxLength(this.packet)}`,
      );
    }
    if (this.#closed) {
      left?.();
      return false;
    }
    this.#makeRoom(this.packet);
    this.#position = this.#block.writeUIntBE(length, this.#position, this.packet);
    for (const part of list) this.#append(part);
    this.#queued += this.packet + length;
    this.#taken += this.packet + length;
    if (left !== undefined) this.#leaving.push({ end: this.#taken, left });
    if (!this.#scheduled && this.#writing === 0) {
      // Not process.nextTick: completions of native work come one to a tick, many to a turn.
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
    return this.pendingBytes <= this.highWaterBytes;
  }

  /** Resolves when at most `most` bytes are pending; rejects when the port ends before. */
  pendingAtMost(most: number): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (this.pendingBytes <= most) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ most, resolve, reject }));
  }

  /** Drops what is queued, and every later frame. */
  close(error: PortError): void {
    if (this.#closed) return;
    this.#closed = error;
    // What the system is reading now must not go away; its end is told as that of any batch.
    if (this.#writing === 0) this.#gone = this.#taken;
    this.#tell();
    this.#chunks = [];
    this.#queued = this.#writing = 0;
    this.#start = this.#position;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #tell(): void {
    let count = 0;
    while ((this.#leaving[count]?.end ?? Number.POSITIVE_INFINITY) <= this.#gone) count++;
    if (count === 0) return;
    for (const { left } of this.#leaving.splice(0, count)) left();
  }

  #append(part: Uint8Array): void {
    if (part.byteLength < COPY_BELOW) {
      this.#makeRoom(part.byteLength);
      this.#block.set(part, this.#position);
      this.#position += part.byteLength;
    } else {
      this.#seal();
      this.#chunks.push(part);
    }
  }

  #makeRoom(bytes: number): void {
    if (BLOCK - this.#position >= bytes) return;
    this.#seal();
    this.#block = Buffer.allocUnsafeSlow(BLOCK);
    this.#start = this.#position = 0;
  }

  #seal(): void {
    if (this.#start === this.#position) return;
    this.#chunks.push(this.#block.subarray(this.#start, this.#position));
    this.#start = this.#position;
  }

  #flush = (): void => {
    this.#scheduled = false;
    if (this.#closed || this.#queued === 0) return;
    this.#seal();
    let count = 0;
    let bytes = 0;
    while (count < this.#chunks.length && bytes < BATCH) {
      bytes += (this.#chunks[count++] as Uint8Array).byteLength;
    }
    const batch = this.#chunks.splice(0, count);
    this.#queued -= bytes;
    this.#writing = bytes;
    const last = batch.pop() as Uint8Array;
    if (batch.length > 0) this.stream.cork();
    for (const chunk of batch) this.stream.write(chunk);
    this.stream.write(last, this.#written);
    if (batch.length > 0) this.stream.uncork();
  };

  #written = (error?: Error | null): void => {
    // A failure also reaches the stream's "error" listener, which closes this writer.
    if (error || this.#closed) {
      this.#gone = this.#taken;
      this.#tell();
      return;
    }
    this.#gone += this.#writing;
    this.#writing = 0;
    this.#tell();
    if (this.#queued === 0) this.#start = this.#position = 0;
    else this.#flush();
    if (this.#waiters.length === 0) return;
    const pending = this.pendingBytes;
    const ready = this.#waiters.filter((waiter) => waiter.most >= pending);
    this.#waiters = this.#waiters.filter((waiter) => waiter.most < pending);
    for (const waiter of ready) waiter.resolve();
  };
}
