import { Socket } from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import { BusyWait } from "./busy-wait.js";
import { checkDescriptor, openDescriptor } from "./descriptor.js";
import { fromStreamError, PortError } from "./error.js";
import { checkInteger, checkPacket, maxLength, type PacketSize } from "./packet.js";
import { FrameReader } from "./reader.js";
import { FrameWriter } from "./writer.js";

/** Options of {@link openPort}. */
export interface PortOptions {
  /** Bytes of the length header: the N of Erlang's `{packet, N}`. Default 4. */
  packet?: PacketSize;
  /**
   * Where frames come from: a descriptor that is a pipe or a socket, or a Node stream. `input` and
   * `output` are given both or neither; the default is 3 and 4, the descriptors of `:nouse_stdio`.
   * For a socket give the same descriptor or the same stream twice. A stream is from then on used
   * by the port alone; it must deliver bytes (no encoding, no object mode).
   */
  input?: number | Readable;
  /** Where frames go. */
  output?: number | Writable;
  /** A longer incoming frame ends the port with `frame_too_large`. Default 256 MiB. */
  maxFrameBytes?: number;
  /** `write` returns false while more bytes than this are pending. Default 1 MiB. */
  highWaterBytes?: number;
  /**
   * For how many microseconds after an answer the process stays awake for the peer's next frame, as long as both are
   * that prompt; see {@link BusyWait}. Default 0.
   */
  busyWait?: number;
  /**
   * Called with every frame, in order, never after `onEnd`. The frame stays valid; a short one
   * shares its memory (64 KiB) with its neighbours, so copy it to keep it for long. An exception
   * thrown here is an uncaught exception of the process and does not disturb later frames.
   */
  onFrame: (frame: Buffer) => void;
  /**
   * Called once, when there will be no more frames: without an error when the peer closed its side
   * after a whole frame, with one otherwise. Not called after `close` or `destroy` on this side.
   * Unless the peer is gone, frames can still be written: call `close` after the last one. Without
   * `onEnd` the port closes itself.
   */
  onEnd?: (error?: PortError) => void;
}

const DEFAULT_MAX_FRAME = 256 * 1024 * 1024;
const DEFAULT_HIGH_WATER = 1024 * 1024;

/** A stream of frames in both directions. Made by {@link openPort}. */
export class Port {
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #onEnd: (error?: PortError) => void;
  readonly #busyWait: BusyWait;
  #ended = false;

  /** @internal */
  constructor(options: PortOptions) {
    const packet = checkPacket(options.packet ?? 4);
    const maxFrame = checkInteger(options.maxFrameBytes ?? DEFAULT_MAX_FRAME, "maxFrameBytes", 1);
    const highWater = checkInteger(
      options.highWaterBytes ?? DEFAULT_HIGH_WATER,
      "highWaterBytes",
      0,
    );
    this.#busyWait = new BusyWait(checkInteger(options.busyWait ?? 0, "busyWait", 0));
    if ((options.input === undefined) !== (options.output === undefined)) {
      const missing = options.input === undefined ? "input" : "output";
      throw new PortError(
        "option_invalid",
        `${missing} is missing; expected input and output, or neither`,
      );
    }
    if (typeof options.onFrame !== "function") {
      throw new PortError(
        "option_invalid",
        `onFrame is ${typeof options.onFrame}; expected a function`,
      );
    }
    this.#onFrame = options.onFrame;
    this.#onEnd = options.onEnd ?? (() => void this.close());
    this.#reader = new FrameReader(
      packet,
      Math.min(maxFrame, maxLength(packet)),
      this.#deliver,
      this.#finish,
    );
    const { input = 3, output = 4 } = options;
    [this.#input, this.#output] = this.#open(input, output);
    this.#writer = new FrameWriter(this.#output, packet, highWater);
    this.#listen();
  }

  /** Bytes written here that the operating system has not taken yet, headers included. */
  get pendingBytes(): number {
    return this.#writer.pendingBytes;
  }

  /** True once `onEnd` has been called, or `close` or `destroy`. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Writes one frame, given whole or in parts. Small parts are copied at once; parts of 8 KiB and
   * more are written from where they are and must not change until they have left (`flush`). Frames
   * of one turn of the event loop leave in one system call.
   *
   * `left` is called when the parts are needed no longer: they have left, or never will.
   *
   * @returns false when more than `highWaterBytes` are pending: await `drain` before writing more.
   * Also false, and the frame is dropped, when the port is closed or the peer is gone.
   * @throws PortError `frame_too_large` when the header cannot say the frame's length.
   */
  write(parts: Uint8Array | readonly Uint8Array[], left?: () => void): boolean {
    this.#busyWait.wrote();
    return this.#writer.write(parts, left);
  }

  /**
   * Resolves when pending bytes have fallen to half of `highWaterBytes`; rejects with a
   * {@link PortError} when the port is closed or the peer gone, so that a writing loop ends.
   */
  drain(): Promise<void> {
    return this.#writer.pendingAtMost(Math.floor(this.#writer.highWaterBytes / 2));
  }

  /** Resolves when the operating system has taken everything written; rejects as `drain` does. */
  flush(): Promise<void> {
    return this.#writer.pendingAtMost(0);
  }

  /** Writes what is pending, then closes the output; the peer sees the end, and may still answer. */
  async end(): Promise<void> {
    await this.flush();
    this.#writer.close(new PortError("port_closed", "the output was ended"));
    await new Promise<void>((resolve) => {
      this.#output.once("close", resolve);
      this.#output.end(resolve);
    });
  }

  /** Delivers no more frames, writes what is pending, then closes both directions. */
  async close(): Promise<void> {
    this.#stop();
    try {
      await this.end();
    } catch {
      // The output is closed already, or there is nobody to write to.
    }
    this.destroy();
  }

  /** Closes both directions at once and drops what is pending. */
  destroy(): void {
    this.#stop();
    this.#writer.close(new PortError("port_closed", "the port was closed"));
    this.#input.destroy();
    this.#output.destroy();
  }

  #open(input: number | Readable, output: number | Writable): [Readable, Writable] {
    if (typeof input === "number") checkDescriptor(input, "input");
    else checkStream(input, "input", typeof input?.pipe === "function");
    if (typeof output === "number") checkDescriptor(output, "output");
    else checkStream(output, "output", typeof output?.write === "function");
    if (input === output && typeof input === "number") {
      const socket = openDescriptor(input, { reader: this.#reader, writable: true });
      return [socket, socket];
    }
    const writable =
      typeof output === "number" ? openDescriptor(output, { writable: true }) : output;
    if (typeof input === "number") {
      return [openDescriptor(input, { reader: this.#reader, writable: false }), writable];
    }
    // Replies to the last frames are written after the end of input.
    if (input === (output as unknown)) (input as Duplex).allowHalfOpen = true;
    input.on("data", (chunk: Buffer) => this.#reader.push(chunk));
    return [input, writable];
  }

  #listen(): void {
    // Frames are gathered here already: Nagle's algorithm would only hold the last one back.
    if (this.#output instanceof Socket) this.#output.setNoDelay(true);
    this.#input.on("end", () => this.#finish(this.#reader.endError()));
    this.#input.on("error", (error) => this.#fail(fromStreamError(error, "input")));
    this.#input.on("close", () =>
      this.#finish(new PortError("port_closed", "the input was closed")),
    );
    if (this.#output !== (this.#input as unknown)) {
      this.#output.on("error", (error) => this.#fail(fromStreamError(error, "output")));
    }
    this.#output.on("close", () => {
      if (this.#output.writableFinished) return;
      this.#fail(new PortError("port_closed", "the output was closed"));
    });
  }

  #deliver = (frame: Buffer): void => {
    this.#busyWait.received();
    try {
      this.#onFrame(frame);
    } catch (error) {
      // Thrown from here it would leave the rest of the chunk unread.
      process.nextTick(() => {
        throw error;
      });
    }
  };

  #stop(): void {
    this.#ended = true;
    this.#busyWait.stop();
    this.#reader.stop();
  }

  /** No more input. */
  #finish = (error?: PortError): void => {
    if (this.#ended) return;
    this.#stop();
    this.#onEnd(error);
  };

  /** No more output, and so no use for input. */
  #fail(error: PortError): void {
    this.#writer.close(error);
    this.#finish(error);
    this.#input.destroy();
    this.#output.destroy();
  }
}

function checkStream(stream: Readable | Writable, name: string, isStream: boolean): void {
  const { readableEncoding, readableObjectMode } = (stream ?? {}) as Partial<Readable>;
  if (isStream && !readableEncoding && !readableObjectMode) return;
  const what = isStream ? "a stream of strings or objects" : String(stream);
  throw new PortError(
    "option_invalid",
    `${name} is ${what}; expected a descriptor or a stream of bytes`,
  );
}

/**
 * Speaks `{packet, 1|2|4}` frames over descriptors or streams; by default as the external program
 * of an Erlang port opened with `:nouse_stdio`.
 *
 * @example
 * const port = openPort({ packet: 4, onFrame: (frame) => port.write(frame) });
 */
export function openPort(options: PortOptions): Port {
  return new Port(options);
}
