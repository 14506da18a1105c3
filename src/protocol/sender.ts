import type { MessageToClient } from "../contract/engine-messages.js";
import { ProtocolError } from "./error.js";
import { FrameEncoder } from "./frame.js";
import { encodeHeader } from "./header.js";
import type { MessageName } from "./message.js";
import type { ResultOf } from "./results.js";
import { wireError } from "./wire.js";

/** The connection of a session: a port or a socket, as `erlang-port` makes them. */
export interface Connection {
  /**
   * Writes one frame. Copies parts shorter than 8 KiB at once; longer ones must not change until `left` is called: they
   * have left, or never will.
   */
  write(parts: Uint8Array | readonly Uint8Array[], left?: () => void): boolean;
  /** Bytes written that have not left. */
  readonly pendingBytes: number;
  /** Resolves when most of what is pending has left; rejects when the connection ends. */
  drain(): Promise<void>;
  /** Writes what is pending, then closes. */
  close(): Promise<void>;
}

/** The memory of a shorter attachment may wait until V8 collects garbage. */
const RELEASED_BYTES = 64 * 1024;

const NO_ATTACHMENTS: readonly Uint8Array[] = [];

/**
 * Answers and messages on their way out. Short ones are written at once. Values wait while much is
 * pending, and are read from the engine only when it is their turn, so that a client that asks
 * for much and reads slowly costs no memory.
 */
export class Sender {
  readonly #connection: Connection;
  readonly #highWater: number;
  readonly #maxFrameBytes: number;
  readonly #release: (buffer: ArrayBufferLike) => void;
  readonly #frames = new FrameEncoder();
  #later: (() => void)[] = [];
  #draining = false;
  #ended = false;

  /** `release` frees the memory of an attachment, which belongs to the sender once it is sent. */
  constructor(
    connection: Connection,
    highWater: number,
    maxFrameBytes: number,
    release: (buffer: ArrayBufferLike) => void,
  ) {
    this.#connection = connection;
    this.#highWater = highWater;
    this.#maxFrameBytes = maxFrameBytes;
    this.#release = release;
  }

  /** Bytes that the client has not read. */
  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  /** Sends one message. @throws ProtocolError `value_too_large` where it does not fit in a frame */
  send(request: number, message: MessageToClient, attachments = NO_ATTACHMENTS): void {
    this.sendEncoded(request, encodeHeader(message), attachments);
  }

  /** As {@link send}, where the header is encoded already. */
  sendEncoded(request: number, header: Uint8Array, attachments = NO_ATTACHMENTS): void {
    if (this.#ended) return;
    const parts = this.#frames.encode(request, header, attachments);
    let length = 0;
    for (const part of parts) length += part.length;
    if (length > this.#maxFrameBytes) {
      const most = this.#maxFrameBytes;
      const text = `an answer of ${length} bytes does not fit in a frame; expected at most ${most}`;
      throw new ProtocolError("value_too_large", text, `${most} bytes`);
    }
    const large = attachments.filter(isLarge);
    if (large.length === 0) this.#connection.write(parts);
    else this.#connection.write(parts, () => this.#giveBack(large));
  }

  #giveBack(attachments: readonly Uint8Array[]): void {
    for (const { buffer } of attachments) this.#release(buffer);
  }

  /** Answers a request of a type with its result. @throws ProtocolError `value_too_large`; an error is the answer then */
  ok<Name extends MessageName>(
    request: number,
    result: ResultOf<Name>,
    attachments = NO_ATTACHMENTS,
  ): void {
    this.send(request, ["ok", result], attachments);
  }

  /** Answers a request with an error, which always fits. */
  error(request: number, error: unknown): void {
    this.send(request, ["error", wireError(error)]);
  }

  /** True while a value may be sent at once. */
  get ready(): boolean {
    return this.#later.length === 0 && this.#connection.pendingBytes <= this.#highWater;
  }

  /** Calls back when a value may be sent, in order; at once when nothing is sent any more. */
  whenReady(job: () => void): void {
    if (this.#ended) {
      job();
      return;
    }
    this.#later.push(job);
    if (!this.#draining) void this.#drain();
  }

  /** True when nothing more is sent. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Sends nothing more. Jobs that wait are called, so that they let go of what they hold. */
  end(): void {
    this.#ended = true;
    for (const job of this.#later.splice(0)) job();
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    try {
      while (this.#later.length > 0) {
        await this.#connection.drain();
        let next = 0;
        while (next < this.#later.length && this.#connection.pendingBytes <= this.#highWater) {
          this.#later[next++]?.();
        }
        this.#later.splice(0, next);
      }
    } catch {
      // The connection ended, and with it the session.
    }
    this.#draining = false;
  }
}

/** Returns whether an attachment is large, and has its memory for itself. */
function isLarge({ byteLength, buffer }: Uint8Array): boolean {
  return byteLength >= RELEASED_BYTES && byteLength === buffer.byteLength;
}
