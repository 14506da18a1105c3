import type { TensorType } from "../../tensor/dtype.js";
import type { Attribute } from "../graph.js";
import type { AttributeKind } from "../ops/spec.js";

const utf8 = new TextEncoder();

/** Writes msgpack in its one canonical form: minimal widths, floats as 8 raw bytes in a bin. */
export class CanonicalWriter {
  #buffer = Buffer.allocUnsafe(1024);
  #length = 0;

  /** What was written. */
  finish(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(0, this.#length));
  }

  array(count: number): void {
    this.#header(count, 0x90, 15, undefined, 0xdc, 0xdd);
  }

  map(count: number): void {
    this.#header(count, 0x80, 15, undefined, 0xde, 0xdf);
  }

  text(value: string): void {
    const bytes = utf8.encode(value);
    this.#header(bytes.length, 0xa0, 31, 0xd9, 0xda, 0xdb);
    this.#raw(bytes);
  }

  bytes(value: Uint8Array): void {
    this.#header(value.length, 0, -1, 0xc4, 0xc5, 0xc6);
    this.#raw(value);
  }

  bool(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2);
  }

  /** Eight big-endian bytes of IEEE 754; every NaN is the same one. */
  float(value: number): void {
    this.#header(8, 0, -1, 0xc4, 0xc5, 0xc6);
    const at = this.#room(8);
    if (Number.isNaN(value)) this.#buffer.writeBigUInt64BE(0x7ff8000000000000n, at);
    else this.#buffer.writeDoubleBE(value, at);
  }

  integer(value: number | bigint): void {
    if (value >= 0) {
      if (value < 0x80) this.#byte(Number(value));
      else if (value <= 0xff) this.#tagged(0xcc, 1, value);
      else if (value <= 0xffff) this.#tagged(0xcd, 2, value);
      else if (value <= 0xffffffff) this.#tagged(0xce, 4, value);
      else {
        this.#byte(0xcf);
        const at = this.#room(8);
        this.#buffer.writeBigUInt64BE(BigInt(value), at);
      }
    } else if (value >= -0x20) this.#byte(Number(value) + 0x100);
    else if (value >= -0x80) this.#tagged(0xd0, 1, value);
    else if (value >= -0x8000) this.#tagged(0xd1, 2, value);
    else if (value >= -0x80000000) this.#tagged(0xd2, 4, value);
    else {
      this.#byte(0xd3);
      const at = this.#room(8);
      this.#buffer.writeBigInt64BE(BigInt(value), at);
    }
  }

  type(value: TensorType): void {
    this.array(2);
    this.text(value.dtype);
    this.list(value.shape, (size) => this.integer(size));
  }

  list<T>(values: readonly T[], write: (value: T) => void): void {
    this.array(values.length);
    values.forEach(write);
  }

  /** Writes an attribute that was checked against its kind. */
  attribute(kind: AttributeKind, value: Attribute): void {
    switch (kind) {
      case "bool":
        this.bool(value as boolean);
        break;
      case "int":
      case "function":
        this.integer(value as number | bigint);
        break;
      case "ints":
      case "functions":
        this.list(value as readonly number[], (item) => this.integer(item));
        break;
      case "float":
        this.float(value as number);
        break;
      case "floats":
        this.list(value as readonly number[], (item) => this.float(item));
        break;
      case "string":
      case "dtype":
        this.text(value as string);
        break;
      case "strings":
        this.list(value as readonly string[], (item) => this.text(item));
        break;
      case "bytes":
        this.bytes(value as Uint8Array);
        break;
      case "types":
        this.list(value as readonly TensorType[], (item) => this.type(item));
        break;
    }
  }

  #header(
    count: number,
    fix: number,
    fixMax: number,
    tag8: number | undefined,
    tag16: number,
    tag32: number,
  ): void {
    if (count <= fixMax) this.#byte(fix + count);
    else if (tag8 !== undefined && count <= 0xff) this.#tagged(tag8, 1, count);
    else if (count <= 0xffff) this.#tagged(tag16, 2, count);
    else this.#tagged(tag32, 4, count);
  }

  #tagged(tag: number, width: 1 | 2 | 4, value: number | bigint): void {
    this.#byte(tag);
    const number = Number(value);
    const at = this.#room(width);
    if (number < 0) this.#buffer.writeIntBE(number, at, width);
    else this.#buffer.writeUIntBE(number, at, width);
  }

  #byte(value: number): void {
    const at = this.#room(1);
    this.#buffer[at] = value;
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Makes room for some bytes and gives their offset. It may move the buffer: call it before naming the buffer. */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    return at;
  }
}
