import type { Steps } from "../../steps.js";
import { isDtype, type TensorType } from "../../tensor/dtype.js";
import { GraphError } from "../error.js";
import type { Attribute } from "../graph.js";
import type { GraphLimits } from "../limits.js";
import type { AttributeKind } from "../ops/spec.js";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CANONICAL_NAN = 0x7ff8000000000000n;

/**
 * Reads canonical msgpack from an untrusted sender. Each reader method takes one kind of item, so nothing is
 * allocated for what was not asked for, and refuses every form but the canonical one.
 */
export class CanonicalReader {
  readonly #bytes: Buffer;
  readonly #limits: GraphLimits;
  #at = 0;
  /** Items of all lists so far: each takes some bytes only here, and far more as a value. */
  #items = 0;

  constructor(bytes: Uint8Array, limits: GraphLimits) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  /** The offset of the next item. */
  get offset(): number {
    return this.#at;
  }

  /** Refuses bytes after the last item. */
  end(): void {
    if (this.#at !== this.#bytes.length) {
      this.fail(`${this.#bytes.length - this.#at} bytes follow the graph`);
    }
  }

  fail(message: string): never {
    throw new GraphError("graph_invalid", `${message} at byte ${this.#at}`);
  }

  /** Reads a map whose keys are in order; `field` reads the value of a key, or returns false for an unknown one. */
  map(what: string, field: (key: string) => unknown): void {
    for (const key of this.#keys(what)) {
      if (field(key) === false) this.fail(`${what} has an unknown key "${key}"`);
    }
  }

  /** As {@link map}, with values that are read in steps. */
  *mapSteps(what: string, field: (key: string) => Steps<unknown>): Steps<void> {
    for (const key of this.#keys(what)) {
      if ((yield* field(key)) === false) this.fail(`${what} has an unknown key "${key}"`);
    }
  }

  /** The keys of a map, in order; whoever takes one reads its value before the next. */
  *#keys(what: string): Generator<string> {
    const count = this.#mapCount(what);
    let previous: Buffer | undefined;
    for (let i = 0; i < count; i++) {
      const start = this.#at;
      const key = this.#key(what, previous);
      previous = this.#bytes.subarray(start, this.#at);
      yield key;
    }
  }

  #mapCount(what: string): number {
    return this.#count(what, "a map", 0x80, 0x8f, undefined, 0xde, 0xdf, 2);
  }

  /** The next key, which has to come after the one before it. */
  #key(what: string, previous: Buffer | undefined): string {
    const start = this.#at;
    const key = this.text(`a key of ${what}`);
    const raw = this.#bytes.subarray(start, this.#at);
    if (previous !== undefined && compareKeys(previous, raw) >= 0) {
      this.fail(`the keys of ${what} are not in order at "${key}"`);
    }
    return key;
  }

  list<T>(what: string, item: () => T, limit = this.#limits.list): T[] {
    const count = this.#listCount(what, limit);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  /** As {@link list}, with items that are read in steps. */
  *listSteps<T>(what: string, item: () => Steps<T>, limit: number): Steps<T[]> {
    const count = this.#listCount(what, limit);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(yield* item());
    return items;
  }

  #listCount(what: string, limit: number): number {
    const count = this.#count(what, "a list", 0x90, 0x9f, undefined, 0xdc, 0xdd, 1);
    if (count > limit) {
      throw new GraphError("limit_exceeded", `${what} has ${count} items`, {
        expected: `at most ${limit}`,
      });
    }
    this.#items += count;
    if (this.#items > this.#limits.items) {
      throw new GraphError("limit_exceeded", `${what} has ${count} items`, {
        expected: `at most ${this.#limits.items} in all lists of the graph`,
      });
    }
    return count;
  }

  text(what: string): string {
    const length = this.#count(what, "a string", 0xa0, 0xbf, 0xd9, 0xda, 0xdb, 1);
    if (length > this.#limits.textBytes) {
      throw new GraphError("limit_exceeded", `${what} has ${length} bytes`, {
        expected: `at most ${this.#limits.textBytes}`,
      });
    }
    const bytes = this.#take(length);
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail(`${what} is not UTF-8`);
    }
  }

  bytes(what: string): Uint8Array {
    const length = this.#count(what, "bytes", 1, 0, 0xc4, 0xc5, 0xc6, 1);
    const taken = this.#take(length);
    return new Uint8Array(taken.buffer, taken.byteOffset, taken.byteLength);
  }

  bool(what: string): boolean {
    const tag = this.#byte();
    if (tag !== 0xc2 && tag !== 0xc3) return this.#wrong(what, "a boolean");
    return tag === 0xc3;
  }

  float(what: string): number {
    if (this.bytes(what).length !== 8) this.fail(`${what} is not the 8 bytes of a float`);
    const value = this.#bytes.readDoubleBE(this.#at - 8);
    if (Number.isNaN(value) && this.#bytes.readBigUInt64BE(this.#at - 8) !== CANONICAL_NAN) {
      this.fail(`${what} is not the canonical NaN`);
    }
    return value;
  }

  /** An integer; a bigint where a number cannot hold it. */
  integer(what: string): number | bigint {
    const tag = this.#byte();
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    const width = INTEGER_WIDTHS.get(tag);
    if (width === undefined) return this.#wrong(what, "an integer");
    const at = this.#at;
    this.#take(width);
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

  type(what: string): TensorType {
    const count = this.#count(what, "a tensor type", 0x90, 0x9f, undefined, 0xdc, 0xdd, 1);
    if (count !== 2) this.fail(`${what} is not a pair of dtype and sizes`);
    const dtype = this.text(what);
    if (!isDtype(dtype)) return this.fail(`${what} has an unknown dtype "${dtype}"`);
    const shape = this.list(`the shape of ${what}`, () => this.index(`a size of ${what}`));
    if (shape.some((size) => size < 0)) this.fail(`${what} has a negative size`);
    return { dtype, shape };
  }

  attribute(what: string, kind: AttributeKind): Attribute {
    switch (kind) {
      case "bool":
        return this.bool(what);
      case "int":
        return this.integer(what);
      case "function":
        return this.index(what);
      case "ints":
        return this.list(what, () => this.integer(what));
      case "functions":
        return this.list(what, () => this.index(what));
      case "float":
        return this.float(what);
      case "floats":
        return this.list(what, () => this.float(what));
      case "string":
      case "dtype":
        return this.text(what);
      case "strings":
        return this.list(what, () => this.text(what));
      case "bytes":
        return this.bytes(what);
      case "types":
        return this.list(what, () => this.type(what));
    }
  }

  /** Passes over one item and gives its offset, for `at`. Needs no stack, however deep the item. */
  skip(): number {
    const start = this.#at;
    for (let pending = 1; pending > 0; pending--) {
      const tag = this.#byte();
      if (tag < 0x80 || tag >= 0xe0 || tag === 0xc2 || tag === 0xc3) continue;
      if (tag < 0x90) pending += 2 * (tag & 0x0f);
      else if (tag < 0xa0) pending += tag & 0x0f;
      else if (tag < 0xc0) this.#take(tag & 0x1f);
      else if (tag >= 0xc4 && tag <= 0xc6) this.#take(this.#width(1 << (tag - 0xc4)));
      else if (INTEGER_WIDTHS.has(tag)) this.#take(INTEGER_WIDTHS.get(tag) as number);
      else if (tag >= 0xd9 && tag <= 0xdb) this.#take(this.#width(1 << (tag - 0xd9)));
      else if (tag === 0xdc || tag === 0xdd) pending += this.#width(tag === 0xdc ? 2 : 4);
      else if (tag === 0xde || tag === 0xdf) pending += 2 * this.#width(tag === 0xde ? 2 : 4);
      else this.fail(`the type byte 0x${tag.toString(16)} is not used in graphs`);
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

  #readInteger(at: number, width: number, signed: boolean): number | bigint {
    if (width === 8)
      return signed ? this.#bytes.readBigInt64BE(at) : this.#bytes.readBigUInt64BE(at);
    return signed ? this.#bytes.readIntBE(at, width) : this.#bytes.readUIntBE(at, width);
  }

  /** The length of an item, held against what is left: each element takes at least `unit` bytes. */
  #count(
    what: string,
    kind: string,
    fixMin: number,
    fixMax: number,
    tag8: number | undefined,
    tag16: number,
    tag32: number,
    unit: number,
  ): number {
    const tag = this.#byte();
    let count: number;
    if (tag >= fixMin && tag <= fixMax) count = tag - fixMin;
    else {
      const width = tag === tag8 ? 1 : tag === tag16 ? 2 : tag === tag32 ? 4 : 0;
      if (width === 0) return this.#wrong(what, kind);
      count = this.#width(width);
      const smaller =
        width === 4 ? 0xffff : width === 2 && tag8 !== undefined ? 0xff : fixMax - fixMin;
      if (count <= smaller && (width !== 1 || fixMax >= fixMin)) {
        this.fail(`the length of ${what} is wider than it needs to be`);
      }
    }
    if (count * unit > this.#bytes.length - this.#at) this.fail(`${what} is cut short`);
    return count;
  }

  #width(width: number): number {
    const at = this.#at;
    this.#take(width);
    return this.#bytes.readUIntBE(at, width);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) return this.fail("the graph is cut short");
    this.#at++;
    return byte;
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) this.fail("the graph is cut short");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #wrong(what: string, expected: string): never {
    this.#at--;
    return this.fail(`${what} is not ${expected}`);
  }
}

const INTEGER_WIDTHS: ReadonlyMap<number, number> = new Map([
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
]);

/** Tells whether an integer could not have been written in fewer bytes. */
function isMinimal(value: number | bigint, width: number, signed: boolean): boolean {
  if (signed) return value < 0 && value < (width === 1 ? -0x20 : -(2 ** (width * 4 - 1)));
  return value >= (width === 1 ? 0x80 : 2 ** (width * 4));
}

/** Orders two encoded keys by their UTF-8 bytes, without their length headers. */
function compareKeys(a: Buffer, b: Buffer): number {
  return Buffer.compare(a.subarray(headerBytes(a)), b.subarray(headerBytes(b)));
}

function headerBytes(text: Buffer): number {
  const tag = text[0] as number;
  return tag < 0xc0 ? 1 : tag - 0xd9 === 0 ? 2 : tag - 0xd9 === 1 ? 3 : 5;
}
