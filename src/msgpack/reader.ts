import { type ItemShape, SHAPES } from "./structure.js";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NOT_ASCII = /\P{ASCII}/u;

/** The heads of an item that has a length: those that hold it in themselves, and those that 1, 2 and 4 bytes of length follow. */
interface Heads {
  readonly name: string;
  readonly least: number;
  /** The greatest length that the first byte holds; -1 where it holds none. */
  readonly most: number;
  readonly wide: readonly [byte: number, width: 1 | 2 | 4][];
  /** The fewest bytes of an element. */
  readonly unit: number;
}

const MAP: Heads = {
  name: "a map",
  least: 0x80,
  most: 15,
  wide: [
    [0xde, 2],
    [0xdf, 4],
  ],
  unit: 2,
};
const LIST: Heads = {
  name: "a list",
  least: 0x90,
  most: 15,
  wide: [
    [0xdc, 2],
    [0xdd, 4],
  ],
  unit: 1,
};
const TEXT: Heads = {
  name: "a string",
  least: 0xa0,
  most: 31,
  wide: [
    [0xd9, 1],
    [0xda, 2],
    [0xdb, 4],
  ],
  unit: 1,
};
const BYTES: Heads = {
  name: "bytes",
  least: 0,
  most: -1,
  wide: [
    [0xc4, 1],
    [0xc5, 2],
    [0xc6, 4],
  ],
  unit: 1,
};

/**
 * Reads msgpack from an untrusted sender, each item in the fewest bytes. Each method takes one kind of item, so nothing is allocated for
 * what was not asked for, and refuses every longer form. `what` names the item in errors.
 */
export abstract class MsgpackReader {
  readonly #bytes: Buffer;
  #at = 0;

  /** `whole` names what is read, in errors. */
  constructor(
    bytes: Uint8Array,
    private readonly whole: string,
  ) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Throws the error that says what is wrong at the next byte. */
  abstract fail(message: string): never;

  /** The offset of the next item. */
  get offset(): number {
    return this.#at;
  }

  /** Refuses bytes after the last item. */
  end(): void {
    if (this.#left > 0) this.fail(`${this.#left} bytes follow ${this.whole}`);
  }

  /** Bytes that are left. */
  get #left(): number {
    return this.#bytes.length - this.#at;
  }

  protected mapCount(what: string): number {
    return this.#count(what, MAP);
  }

  protected listCount(what: string): number {
    return this.#count(what, LIST);
  }

  /** The head of a string: how many bytes it has, for {@link decodeText}. */
  protected textLength(what: string): number {
    return this.#count(what, TEXT);
  }

  /** A string of so many bytes, whose head was read. */
  protected decodeText(what: string, length: number): string {
    const start = this.#at;
    this.#pass(length);
    // Nearly all are ASCII, which this is faster for.
    const latin1 = this.latin1(start, this.#at);
    if (!NOT_ASCII.test(latin1)) return latin1;
    try {
      return utf8.decode(this.#bytes.subarray(start, this.#at));
    } catch {
      return this.fail(`${what} is not UTF-8`);
    }
  }

  bytes(what: string): Uint8Array {
    const taken = this.#take(this.#count(what, BYTES));
    return new Uint8Array(taken.buffer, taken.byteOffset, taken.byteLength);
  }

  bool(what: string): boolean {
    const tag = this.#byte();
    if (tag !== 0xc2 && tag !== 0xc3) return this.#wrong(what, "a boolean");
    return tag === 0xc3;
  }

  /** An integer; a bigint where a number cannot hold it. */
  integer(what: string): number | bigint {
    const tag = this.#byte();
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0xcc || tag > 0xd3) return this.#wrong(what, "an integer");
    const width = (SHAPES[tag] as ItemShape).size;
    const at = this.#at;
    this.#pass(width);
    const signed = tag >= 0xd0;
    const value = this.#readInteger(at, width, signed);
    if (!isMinimal(value, width, signed)) this.fail(`${what} is wider than it needs to be`);
    return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  /** An integer that a number can hold. */
  index(what: string): number {
    const value = this.integer(what);
    return typeof value === "number" ? value : this.fail(`${what} is out of range`);
  }

  /** Passes over one item; returns its offset, for `at`. Needs no stack, however deep the item. */
  skip(): number {
    const start = this.#at;
    for (let pending = 1; pending > 0; pending--) {
      const tag = this.#byte();
      const { kind, size, lengthBytes } = SHAPES[tag] as ItemShape;
      // nil and floats are msgpack, but never written.
      if (kind === "refused" || tag === 0xc0 || tag === 0xca || tag === 0xcb) {
        this.fail(`the type byte 0x${tag.toString(16)} has no place in ${this.whole}`);
      }
      const count = lengthBytes === 0 ? size : this.#width(lengthBytes);
      if (kind === "bytes") this.#pass(count);
      else pending += kind === "pairs" ? 2 * count : count;
    }
    return start;
  }

  /** Reads at an earlier offset, then comes back. */
  at<T>(offset: number, read: () => T): T {
    const resume = this.#at;
    this.#at = offset;
    const value = read();
    this.#at = resume;
    return value;
  }

  /** Bytes that were read already, each as the character of its number. */
  protected latin1(start: number, end: number): string {
    return this.#bytes.toString("latin1", start, end);
  }

  #readInteger(at: number, width: number, signed: boolean): number | bigint {
    if (width === 8)
      return signed ? this.#bytes.readBigInt64BE(at) : this.#bytes.readBigUInt64BE(at);
    return signed ? this.#bytes.readIntBE(at, width) : this.#bytes.readUIntBE(at, width);
  }

  /** The length of an item, held against what is left. */
  #count(what: string, heads: Heads): number {
    const tag = this.#byte();
    let count = tag - heads.least;
    if (count < 0 || count > heads.most) {
      const wide = heads.wide.findIndex(([byte]) => byte === tag);
      if (wide < 0) return this.#wrong(what, heads.name);
      count = this.#width(heads.wide[wide]?.[1] as number);
      const before = heads.wide[wide - 1];
      const held = before === undefined ? heads.most : 2 ** (8 * before[1]) - 1;
      if (count <= held) this.fail(`the length of ${what} is wider than it needs to be`);
    }
    if (count * heads.unit > this.#left) this.fail(`${what} is cut short`);
    return count;
  }

  #width(width: number): number {
    const at = this.#at;
    this.#pass(width);
    return this.#bytes.readUIntBE(at, width);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) return this.fail(`${this.whole} is cut short`);
    this.#at++;
    return byte;
  }

  #take(length: number): Buffer {
    this.#pass(length);
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #pass(length: number): void {
    if (length > this.#left) this.fail(`${this.whole} is cut short`);
    this.#at += length;
  }

  #wrong(what: string, expected: string): never {
    this.#at--;
    return this.fail(`${what} is not ${expected}`);
  }
}

/** Tells whether an integer could not have been written in fewer bytes. */
function isMinimal(value: number | bigint, width: number, signed: boolean): boolean {
  if (signed) return value < 0 && value < (width === 1 ? -0x20 : -(2 ** (width * 4 - 1)));
  return value >= (width === 1 ? 0x80 : 2 ** (width * 4));
}
