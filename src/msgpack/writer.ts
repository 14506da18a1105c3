const utf8 = new TextEncoder();

/** Writes msgpack, every item in the fewest bytes, into memory that grows and can be used again. */
export class MsgpackWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #position = 0;

  constructor(size = 1024) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** How much has been written. */
  get length(): number {
    return this.#position;
  }

  /** What has been written; good until the next call of anything. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#position);
  }

  /** Goes back to an earlier length. */
  truncate(length: number): void {
    this.#position = length;
  }

  /** Overwrites two bytes, big-endian. */
  patch16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }

  /** An array's head; its items follow. */
  array(count: number): void {
    this.#reserve(5);
    if (count < 16) this.#bytes[this.#position++] = 0x90 | count;
    else if (count < 0x10000) this.#head16(0xdc, count);
    else this.#head32(0xdd, count);
  }

  /** A map's head; its keys and values follow. */
  map(pairs: number): void {
    this.#reserve(5);
    if (pairs < 16) this.#bytes[this.#position++] = 0x80 | pairs;
    else if (pairs < 0x10000) this.#head16(0xde, pairs);
    else this.#head32(0xdf, pairs);
  }

  /** A string. */
  text(value: string): void {
    const bytes = utf8.encode(value);
    const { length } = bytes;
    this.#reserve(5 + length);
    if (length < 32) this.#bytes[this.#position++] = 0xa0 | length;
    else if (length < 0x100) this.#head8(0xd9, length);
    else if (length < 0x10000) this.#head16(0xda, length);
    else this.#head32(0xdb, length);
    this.#raw(bytes);
  }

  /** A string of at most 31 ASCII characters. */
  ascii(text: string): void {
    const { length } = text;
    this.#reserve(1 + length);
    this.#bytes[this.#position++] = 0xa0 | length;
    for (let index = 0; index < length; index++) {
      this.#bytes[this.#position++] = text.charCodeAt(index);
    }
  }

  /** Bytes, copied. */
  binary(value: Uint8Array): void {
    const { length } = value;
    this.#reserve(5 + length);
    if (length < 0x100) this.#head8(0xc4, length);
    else if (length < 0x10000) this.#head16(0xc5, length);
    else this.#head32(0xc6, length);
    this.#raw(value);
  }

  bool(value: boolean): void {
    this.#reserve(1);
    this.#bytes[this.#position++] = value ? 0xc3 : 0xc2;
  }

  /** A float64. */
  float(value: number): void {
    this.#reserve(9);
    this.#bytes[this.#position++] = 0xcb;
    this.#view.setFloat64(this.#position, value);
    this.#position += 8;
  }

  /** An integer of at most 64 bits; a number that it holds exactly, or a bigint. */
  integer(value: number | bigint): void {
    this.#reserve(9);
    if (typeof value === "number") this.#integer(value);
    else if (Number.isSafeInteger(Number(value))) this.#integer(Number(value));
    else this.#wide(value);
  }

  #integer(value: number): void {
    if (value >= 0) {
      if (value < 0x80) this.#bytes[this.#position++] = value;
      else if (value < 0x100) this.#head8(0xcc, value);
      else if (value < 0x10000) this.#head16(0xcd, value);
      else if (value < 0x100000000) this.#head32(0xce, value);
      else this.#wide(value);
    } else if (value >= -0x20) this.#bytes[this.#position++] = value + 0x100;
    else if (value >= -0x80) this.#head8(0xd0, value + 0x100);
    else if (value >= -0x8000) this.#head16(0xd1, value + 0x10000);
    else if (value >= -0x80000000) this.#head32(0xd2, value + 0x100000000);
    else this.#wide(value);
  }

  #wide(value: number | bigint): void {
    this.#bytes[this.#position++] = value >= 0 ? 0xcf : 0xd3;
    this.#view.setBigUint64(this.#position, BigInt.asUintN(64, BigInt(value)));
    this.#position += 8;
  }

  #head8(byte: number, value: number): void {
    this.#bytes[this.#position] = byte;
    this.#bytes[this.#position + 1] = value;
    this.#position += 2;
  }

  #head16(byte: number, value: number): void {
    this.#bytes[this.#position] = byte;
    this.#view.setUint16(this.#position + 1, value);
    this.#position += 3;
  }

  #head32(byte: number, value: number): void {
    this.#bytes[this.#position] = byte;
    this.#view.setUint32(this.#position + 1, value);
    this.#position += 5;
  }

  #raw(value: Uint8Array): void {
    this.#bytes.set(value, this.#position);
    this.#position += value.length;
  }

  #reserve(count: number): void {
    const wanted = this.#position + count;
    if (wanted <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    larger.set(this.written);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
