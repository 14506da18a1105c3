import { Cursor } from "../cursor.js";
import { FileError } from "../error.js";

/** More of the file has to be read before its header can be parsed. */
export class NeedsMore extends Error {
  override readonly name = "NeedsMore";
}

/** The longest header that is read: a vocabulary of a million tokens has a few tens of megabytes. */
const MAX_HEADER = 2 ** 28;

/** Reads the beginning of a file, of which some bytes are there. */
export class Beginning extends Cursor {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array, fileSize: number, path: string) {
    super(fileSize, path);
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  protected load(start: number): { readonly bytes: Buffer; readonly at: number } {
    return { bytes: this.#bytes, at: start };
  }

  /** @throws NeedsMore where the bytes are not there */
  override skip(length: number): number {
    const start = super.skip(length);
    if (this.offset > MAX_HEADER) {
      const expected = `at most ${MAX_HEADER} bytes; is it a GGUF file?`;
      throw new FileError("file_malformed", this.path, "its header is longer", expected);
    }
    if (this.offset > this.#bytes.length) throw new NeedsMore();
    return start;
  }
}
