import { closeSync, openSync, writevSync } from "node:fs";
import { fromSystem } from "../files/error.js";
import { encodeRecord, type RecordHeader, SIGNATURE } from "./format.js";

/** So many bytes are gathered before they are written. */
const GATHERED = 64 * 1024;
/** As many parts as a system call takes. */
const MOST_PARTS = 1024;

/**
 * Writes the records of a file, from front to back, and at once: a write that the event loop had to come back to would
 * lose the most when a process dies while it is busy, which is when a recording is wanted.
 */
export class RecordWriter {
  readonly #file: number;
  #parts: Uint8Array[] = [SIGNATURE];
  #length = SIGNATURE.length;
  #error: unknown;
  #closed = false;

  /** @throws FileError where the file cannot be made */
  constructor(readonly path: string) {
    try {
      this.#file = openSync(path, "w");
    } catch (error) {
      throw fromSystem(error, path);
    }
  }

  /** Adds a record. Where the disk is full or refuses, that is told by {@link close}; what is recorded goes on. */
  write(header: RecordHeader, values?: readonly Uint8Array[]): void {
    if (this.#error !== undefined) return;
    for (const part of encodeRecord(header, values)) {
      this.#parts.push(part);
      this.#length += part.length;
    }
    if (this.#length >= GATHERED) this.flush();
  }

  /** Writes what was gathered: from here on it outlives this process. */
  flush(): void {
    const parts = this.#parts;
    this.#parts = [];
    this.#length = 0;
    if (this.#error !== undefined || this.#closed) return;
    try {
      this.#writeAll(parts);
    } catch (error) {
      this.#error = fromSystem(error, this.path);
    }
  }

  /** @throws FileError where something could not be written */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    closeSync(this.#file);
    if (this.#error !== undefined) throw this.#error;
  }

  #writeAll(parts: readonly Uint8Array[]): void {
    let left = parts.filter(({ length }) => length > 0);
    while (left.length > 0) {
      let written = writevSync(this.#file, left.slice(0, MOST_PARTS));
      // The system may take less than it was given.
      let whole = 0;
      while (whole < left.length && written >= (left[whole] as Uint8Array).length) {
        written -= (left[whole] as Uint8Array).length;
        whole++;
      }
      left = left.slice(whole);
      if (written > 0) left[0] = (left[0] as Uint8Array).subarray(written);
    }
  }
}
