import { closeSync, writeSync } from "node:fs";
import { fromSystem } from "../files/error.js";
import { openRegularSync } from "../files/open.js";
import { encodeRecord, type RecordHeader, SIGNATURE } from "./format.js";

/** So many bytes are gathered before they are written. */
const GATHERED = 256 * 1024;

/**
 * Writes the records of a file, from front to back, and at once: a write that the event loop had to come back to would
 * lose the most when a process dies while it is busy, which is when a recording is wanted.
 */
export class RecordWriter {
  readonly #file: number;
  readonly #gathered = Buffer.allocUnsafe(GATHERED);
  #length = SIGNATURE.copy(this.#gathered);
  #error: unknown;
  #closed = false;

  /** @throws FileError where the file cannot be made */
  constructor(readonly path: string) {
    this.#file = openRegularSync(path, "write");
  }

  /** Adds a record. An error of the disk is thrown by {@link close}; the recorded runs go on. */
  write(header: RecordHeader, values?: readonly Uint8Array[]): void {
    if (this.#error !== undefined) return;
    for (const part of encodeRecord(header, values)) {
      if (this.#length + part.length > GATHERED) this.flush();
      if (part.length > GATHERED) this.#writeAll(part);
      else {
        this.#gathered.set(part, this.#length);
        this.#length += part.length;
      }
    }
  }

  /** Writes what was gathered: from here on it outlives this process. */
  flush(): void {
    const length = this.#length;
    this.#length = 0;
    this.#writeAll(this.#gathered.subarray(0, length));
  }

  /** @throws FileError where something could not be written */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    closeSync(this.#file);
    if (this.#error !== undefined) throw this.#error;
  }

  #writeAll(bytes: Uint8Array): void {
    if (this.#error !== undefined || this.#closed) return;
    try {
      // The system may take less than it was given.
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    } catch (error) {
      this.#error = fromSystem(error, this.path);
    }
  }
}
