import { FileError } from "../error.js";

/** More of the file has to be read before its header can be parsed. */
export class NeedsMore extends Error {
  override readonly name = "NeedsMore";
}

/** The longest header that is read: a vocabulary of a million tokens has a few tens of megabytes. */
const MAX_HEADER = 2 ** 28;

/** Reads little-endian numbers and texts, one after the other, of the beginning of a file. */
export class Cursor {
  /** Bytes from the start of the file. */
  offset = 0;
  readonly #bytes: Buffer;

  constructor(
    bytes: Uint8Array,
    /** The length of the whole file, of which `bytes` are the beginning. */
    readonly fileSize: number,
    readonly path: string,
  ) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves past `length` bytes. Returns where they begin. @throws FileError or {@link NeedsMore} where they are not there */
  skip(length: number): number {
    const start = this.offset;
    const end = start + length;
    if (end > this.fileSize) {
      throw new FileError(
        "file_truncated",
        this.path,
        `it ends at byte ${this.fileSize}, inside its header`,
        `${length} bytes from byte ${start}`,
      );
    }
    if (end > MAX_HEADER) {
      const expected = `at most ${MAX_HEADER} bytes; is it a GGUF file?`;
      throw new FileError("file_malformed", this.path, "its header is longer", expected);
    }
    if (end > this.#bytes.length) throw new NeedsMore();
    this.offset = end;
    return start;
  }

  uint8 = (): number => this.#bytes.readUInt8(this.skip(1));
  int8 = (): number => this.#bytes.readInt8(this.skip(1));
  uint16 = (): number => this.#bytes.readUInt16LE(this.skip(2));
  int16 = (): number => this.#bytes.readInt16LE(this.skip(2));
  uint32 = (): number => this.#bytes.readUInt32LE(this.skip(4));
  int32 = (): number => this.#bytes.readInt32LE(this.skip(4));
  float32 = (): number => this.#bytes.readFloatLE(this.skip(4));
  float64 = (): number => this.#bytes.readDoubleLE(this.skip(8));
  uint64 = (): bigint => this.#bytes.readBigUInt64LE(this.skip(8));
  int64 = (): bigint => this.#bytes.readBigInt64LE(this.skip(8));

  /**
   * A count of things that follow, each of them at least `bytes` long.
   * @throws FileError where the file has no room for as many
   */
  count(what: string, bytes: number): number {
    const at = this.offset;
    const count = this.uint64();
    const room = this.fileSize - this.offset;
    if (count * BigInt(bytes) > BigInt(room)) {
      throw new FileError(
        "file_truncated",
        this.path,
        `it has ${count} ${what}, of byte ${at}, and ${room} bytes after that`,
        `${bytes} bytes or more for each`,
      );
    }
    return Number(count);
  }

  /** A text: its length in bytes, and UTF-8. */
  text(): string {
    const length = this.count("bytes of a text", 1);
    const start = this.skip(length);
    return this.#bytes.toString("utf8", start, start + length);
  }
}
