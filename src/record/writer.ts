import { createWriteStream, openSync, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { fromSystem } from "../files/error.js";
import { encodeRecord, type RecordHeader, SIGNATURE } from "./format.js";

/** So many bytes wait for the disk before a writer is told to wait. */
const HIGH_WATER = 1024 * 1024;
/** Parts up to this length are joined to one write. */
const JOINED = 64 * 1024;

/** Writes the records of a file, from front to back. */
export class RecordWriter {
  readonly #stream: WriteStream;
  readonly #finished: Promise<void>;
  #error: unknown;
  /** Settles when the disk has caught up. */
  #drained: Promise<void> | undefined;

  /** @throws FileError where the file cannot be made */
  constructor(readonly path: string) {
    try {
      // Opened at once, so that a wrong path is told before anything is recorded.
      const fd = openSync(path, "w");
      this.#stream = createWriteStream(path, { fd, highWaterMark: HIGH_WATER });
    } catch (error) {
      throw fromSystem(error, path);
    }
    this.#stream.write(SIGNATURE);
    this.#finished = finished(this.#stream).catch((error) => {
      this.#error = fromSystem(error, path);
    });
  }

  /** Writes a record; gives a promise where the disk is behind, which settles when it has caught up. */
  write(header: RecordHeader, values?: readonly Uint8Array[]): Promise<unknown> | undefined {
    // Who records learns of a full disk when the recording is closed; what is recorded goes on.
    if (this.#stream.destroyed) return undefined;
    const parts = encodeRecord(header, values);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    let ready = true;
    for (const part of length <= JOINED ? [Buffer.concat(parts)] : parts) {
      ready = this.#stream.write(part);
    }
    if (ready) return undefined;
    this.#drained ??= Promise.race([this.#finished, this.#drain()]);
    return this.#drained;
  }

  async #drain(): Promise<void> {
    await new Promise<void>((resolve) => this.#stream.once("drain", resolve));
    this.#drained = undefined;
  }

  /**
   * Waits until all is written.
   * @throws FileError where the disk was full, or refused
   */
  async close(): Promise<void> {
    this.#stream.end();
    await this.#finished;
    if (this.#error !== undefined) throw this.#error;
  }
}
