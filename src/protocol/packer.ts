/**
 * Writes msgpack into memory that grows and is used again. Only what hook events need; everything else is
 * encoded by @msgpack/msgpack.
 */
export class Packer {
  #bytes: Uint8Array;
  #view: DataView;
  #position = 0;

  constructor(size = 4096) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** How much has been written. */
  get length(): number {
    return this.#position;
  }

  /** What has been written; good until the next call of anything. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#position);
  }

  /** Goes back to an earlier length. */
  truncate(length: number): void {
    this.#position = length;
  }

  /** An array's head; its items follow. */
  array(count: number): void {
    this.#reserve(5);
    if (count < 16) this.#bytes[this.#position++] = 0x90 | count;
    else if (count < 0x10000) this.#head16(0xdc, count);
    else this.#head32(0xdd, count);
  }

  /** A map's head; its keys and values follow. At most 15 pairs. */
  map(pairs: number): void {
    this.#reserve(1);
    this.#bytes[this.#position++] = 0x80 | pairs;
  }

  /** A short ASCII string: at most 31 characters. */
  ascii(text: string): void {
    const { length } = text;
    this.#reserve(1 + length);
    this.#bytes[this.#position++] = 0xa0 | length;
    for (let index = 0; index < length; index++) {
      this.#bytes[this.#position++] = text.charCodeAt(index);
    }
  }

  /** An integer from -32 to 2^53 - 1. */
  integer(value: number): void {
    this.#reserve(9);
    if (value < 0x80) this.#bytes[this.#position++] = value & 0xff;
    else if (value < 0x100) {
      this.#bytes[this.#position++] = 0xcc;
      this.#bytes[this.#position++] = value;
    } else if (value < 0x10000) this.#head16(0xcd, value);
    else if (value < 0x100000000) this.#head32(0xce, value);
    else {
      this.#head32(0xcf, Math.floor(value / 2 ** 32));
      this.#view.setUint32(this.#position, value % 2 ** 32);
      this.#position += 4;
    }
  }

  /** A float64. */
  float(value: number): void {
    this.#reserve(9);
    this.#bytes[this.#position++] = 0xcb;
    this.#view.setFloat64(this.#position, value);
    this.#position += 8;
  }

  /** Bytes, copied. */
  binary(value: Uint8Array): void {
    const { length } = value;
    this.#reserve(5 + length);
    if (length < 0x100) {
      this.#bytes[this.#position++] = 0xc4;
      this.#bytes[this.#position++] = length;
    } else if (length < 0x10000) this.#head16(0xc5, length);
    else this.#head32(0xc6, length);
    this.#bytes.set(value, this.#position);
    this.#position += length;
  }

  /** Overwrites two bytes, big-endian. */
  patch16(at: number, value: number): void {
    this.#view.setUint16(at, value);
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

  #reserve(count: number): void {
    const wanted = this.#position + count;
    if (wanted <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#position));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
