import { Cursor } from "../files/cursor.js";
import { readAtSync } from "../files/open.js";

/** Bytes that are read at once: few, as constants are between what is read. */
const WINDOW = 2 ** 12;

/** Reads an open file piece by piece; what is skipped is not read. */
export class FileWindow extends Cursor {
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  /** How many bytes were read. */
  bytesRead = 0;

  constructor(
    private readonly file: number,
    fileSize: number,
    path: string,
  ) {
    super(fileSize, path);
  }

  protected load(start: number, length: number): { readonly bytes: Buffer; readonly at: number } {
    if (start < this.#start || start + length > this.#start + this.#bytes.length) {
      const count = Math.min(Math.max(length, WINDOW), this.fileSize - start);
      this.#bytes = Buffer.from(readAtSync(this.file, start, count, this.path).buffer);
      this.#start = start;
      this.bytesRead += count;
    }
    return { bytes: this.#bytes, at: start - this.#start };
  }
}
