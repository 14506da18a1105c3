import { FileError } from "./error.js";

/** Reads little-endian numbers and texts of a file, one after the other. Where the bytes come from, a subclass says. */
export abstract class Cursor {
  /** Bytes from the start of the file. */
  offset = 0;

  constructor(
    /** The length of the whole file. */
    readonly fileSize: number,
    readonly path: string,
  ) {}

  /** Returns bytes of the file that hold `length` of them from `start` on, which are there, and where in them that is. */
  protected abstract load(
    start: number,
    length: number,
  ): { readonly bytes: Buffer; readonly at: number };

  /** Moves past `length` bytes, which need not be read. Returns where they begin. @throws FileError where they are not there */
  skip(length: number): number {
    const start = this.offset;
    if (start + length > this.fileSize) {
      throw new FileError(
        "file_truncated",
        this.path,
        `it ends at byte ${this.fileSize}, inside its header`,
        `${length} bytes from byte ${start}`,
      );
    }
    this.offset = start + length;
    return start;
  }

  #read<T>(length: number, read: (bytes: Buffer, at: number) => T): T {
    const { bytes, at } = this.load(this.skip(length), length);
    return read(bytes, at);
  }

  uint8 = (): number => this.#read(1, (bytes, at) => bytes.readUInt8(at));
  int8 = (): number => this.#read(1, (bytes, at) => bytes.readInt8(at));
  uint16 = (): number => this.#read(2, (bytes, at) => bytes.readUInt16LE(at));
  int16 = (): number => this.#read(2, (bytes, at) => bytes.readInt16LE(at));
  uint32 = (): number => this.#read(4, (bytes, at) => bytes.readUInt32LE(at));
  int32 = (): number => this.#read(4, (bytes, at) => bytes.readInt32LE(at));
  float32 = (): number => this.#read(4, (bytes, at) => bytes.readFloatLE(at));
  float64 = (): number => this.#read(8, (bytes, at) => bytes.readDoubleLE(at));
  uint64 = (): bigint => this.#read(8, (bytes, at) => bytes.readBigUInt64LE(at));
  int64 = (): bigint => this.#read(8, (bytes, at) => bytes.readBigInt64LE(at));

  /** A copy of some bytes. */
  bytes = (length: number): Uint8Array =>
    this.#read(length, (bytes, at) => Uint8Array.from(bytes.subarray(at, at + length)));

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
    return this.#read(length, (bytes, at) => bytes.toString("utf8", at, at + length));
  }
}
