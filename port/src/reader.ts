import { PortError } from "./error.js";
import type { PacketSize } from "./packet.js";

/** Small frames are slices of blocks of this size. */
const BLOCK = 64 * 1024;
/** A longer frame that is not complete yet gets a buffer of its own, filled in place. */
const BIG = BLOCK / 2;
/** With less room than this left in a block, reading goes on in a new one. */
const MIN_READ = BLOCK / 4;

/**
 * Cuts a byte stream into frames.
 *
 * Bytes come in one of two ways: read straight into `target()` and announced with `filled(n)`, which
 * copies nothing but the frame that a block's end cuts in two; or as chunks that somebody else
 * allocated, with `push(chunk)`. Memory that a frame was cut from is never written again.
 */
export class FrameReader {
  #block = Buffer.allocUnsafeSlow(BLOCK);
  /** First byte of the block that belongs to no delivered frame. */
  #start = 0;
  /** End of the bytes read into the block. */
  #end = 0;
  /** The big frame that is being filled. */
  #big: Buffer | undefined;
  #bigEnd = 0;
  #stopped = false;

  constructor(
    readonly packet: PacketSize,
    readonly maxFrameBytes: number,
    private readonly onFrame: (frame: Buffer) => void,
    private readonly onError: (error: PortError) => void,
  ) {}

  /** Delivers nothing from now on; further bytes are read and forgotten. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#big = undefined;
    // Frames already delivered may lie in the old block, so what is read from now on must not.
    this.#block = Buffer.allocUnsafeSlow(BLOCK);
    this.#start = this.#end = 0;
  }

  /** Where the next bytes belong: never empty, at least `room` bytes unless a big frame needs less. */
  target(room = MIN_READ): Buffer {
    if (this.#big) return this.#big.subarray(this.#bigEnd);
    if (BLOCK - this.#end < room) {
      const block = Buffer.allocUnsafeSlow(BLOCK);
      this.#end = this.#block.copy(block, 0, this.#start, this.#end);
      this.#start = 0;
      this.#block = block;
    }
    return this.#block.subarray(this.#end);
  }

  /** Says that the first `count` bytes of the last `target()` have been read. */
  filled(count: number): void {
    if (this.#stopped) return;
    if (this.#big) {
      this.#bigEnd += count;
      if (this.#bigEnd < this.#big.length) return;
      const frame = this.#big;
      this.#big = undefined;
      this.onFrame(frame);
    } else {
      this.#end += count;
      const next = this.#cut(this.#block, this.#start, this.#end);
      if (!this.#stopped) this.#start = next;
    }
  }

  /** Takes a chunk that nobody writes to again. Whole frames in it are delivered without a copy. */
  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length && !this.#stopped && this.#held() > 0) {
      const count = Math.min(this.#missing(), chunk.length - position);
      chunk.copy(this.target(count), 0, position, position + count);
      this.filled(count);
      position += count;
    }
    if (position === chunk.length || this.#stopped) return;
    position = this.#cut(chunk, position, chunk.length);
    if (position === chunk.length || this.#stopped) return;
    chunk.copy(this.target(chunk.length - position), 0, position);
    this.#end += chunk.length - position;
  }

  /** The error of an input that ends here, if it must not. */
  endError(): PortError | undefined {
    const held = this.#held();
    if (this.#stopped || held === 0) return undefined;
    const text =
      held < this.packet
        ? `${held} of ${this.packet} header bytes`
        : `${held - this.packet} of ${held - this.packet + this.#missing()} bytes`;
    return new PortError("frame_truncated", `input ended inside a frame, after ${text}`);
  }

  /** Bytes of the unfinished frame, header included. */
  #held(): number {
    return this.#big ? this.packet + this.#bigEnd : this.#end - this.#start;
  }

  /** Bytes that complete the unfinished frame, or its header. */
  #missing(): number {
    if (this.#big) return this.#big.length - this.#bigEnd;
    const held = this.#end - this.#start;
    if (held < this.packet) return this.packet - held;
    return this.packet + this.#block.readUIntBE(this.#start, this.packet) - held;
  }

  /** Delivers the frames in [position, end); the result is where the first incomplete one starts. */
  #cut(bytes: Buffer, position: number, end: number): number {
    const { packet } = this;
    while (end - position >= packet && !this.#stopped) {
      const body = position + packet;
      const length =
        packet === 4
          ? bytes.readUInt32BE(position)
          : packet === 2
            ? bytes.readUInt16BE(position)
            : (bytes[position] as number);
      if (length > this.maxFrameBytes) {
        this.#fail(`a frame of ${length} bytes arrived; maxFrameBytes is ${this.maxFrameBytes}`);
        return end;
      }
      if (end - body < length) {
        if (length <= BIG) return position;
        if (!this.#startBig(length)) return end;
        this.#bigEnd = bytes.copy(this.#big as Buffer, 0, body, end);
        return end;
      }
      position = body + length;
      this.onFrame(bytes.subarray(body, position));
    }
    return position;
  }

  #startBig(length: number): boolean {
    try {
      this.#big = Buffer.allocUnsafeSlow(length);
      return true;
    } catch {
      this.#fail(`a frame of ${length} bytes arrived; there is no memory for it`);
      return false;
    }
  }

  #fail(message: string): void {
    this.stop();
    this.onError(new PortError("frame_too_large", message));
  }
}
