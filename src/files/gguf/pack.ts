import { fromFloat16Bits, toFloat16Bits } from "../../tensor/half.js";
import { scaleAndMin } from "./scales.js";

/**
 * Blocks that are affine already, in groups of 32 elements: `element = scale * q + bias` with q of 4 or 8 bits. They become what
 * MLX's `quantized_matmul` and `dequantize` take, without a change of their numbers: q in uint32 words, lowest bits first, and a scale
 * and a bias for each group as float16.
 */
export interface Packing {
  /** Elements of a block. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Bits of q. */
  readonly bits: 4 | 8;
  /** Writes the block that begins at `at`, number `index`. Files have millions of blocks: nothing is made for each. */
  readonly block: (bytes: Uint8Array, at: number, index: number, to: Packed) => void;
}

/** A packed weight: its words as bytes, and the bits of its float16 numbers. */
export interface Packed {
  readonly weight: Uint8Array;
  readonly scales: Uint16Array;
  readonly biases: Uint16Array;
}

/** Elements that have a scale and a bias in common. */
export const GROUP = 32;

const minus8 = times(-8);
const minus128 = times(-128);

export const packings = {
  // float16 scale, 16 bytes; q is 8 too large
  Q4_0: {
    elements: 32,
    bytes: 18,
    bits: 4,
    block: (bytes, at, index, to) => {
      const scale = half(bytes, at);
      to.scales[index] = scale;
      to.biases[index] = minus8(scale);
      joinHalves(bytes, at + 2, 16, to.weight, index * 16);
    },
  },
  // float16 scale and bias, 16 bytes
  Q4_1: {
    elements: 32,
    bytes: 20,
    bits: 4,
    block: (bytes, at, index, to) => {
      to.scales[index] = half(bytes, at);
      to.biases[index] = half(bytes, at + 2);
      joinHalves(bytes, at + 4, 16, to.weight, index * 16);
    },
  },
  // float16 scale, 32 signed bytes
  Q8_0: {
    elements: 32,
    bytes: 34,
    bits: 8,
    block: (bytes, at, index, to) => {
      const scale = half(bytes, at);
      to.scales[index] = scale;
      to.biases[index] = minus128(scale);
      for (let i = 0; i < 32; i++) to.weight[index * 32 + i] = (bytes[at + 2 + i] as number) ^ 0x80;
    },
  },
  // float16 scale of scales and of minima, 8 of each with 6 bits, 128 bytes
  Q4_K: {
    elements: 256,
    bytes: 144,
    bits: 4,
    block: (bytes, at, index, to) => {
      const scale = fromFloat16Bits(half(bytes, at));
      const min = fromFloat16Bits(half(bytes, at + 2));
      for (let group = 0; group < 8; group++) {
        const [s, m] = scaleAndMin(bytes, at + 4, group);
        to.scales[index * 8 + group] = toFloat16Bits(s * scale);
        to.biases[index * 8 + group] = toFloat16Bits(-(m * min));
      }
      for (let pair = 0; pair < 4; pair++) {
        joinHalves(bytes, at + 16 + pair * 32, 32, to.weight, index * 128 + pair * 32);
      }
    },
  },
} as const satisfies Record<string, Packing>;

/** The bits of a float16. */
function half(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

/**
 * The low halves of `count` bytes are the first elements, their high halves those after them; in a packed weight neighbours
 * share a byte.
 */
function joinHalves(
  bytes: Uint8Array,
  from: number,
  count: number,
  weight: Uint8Array,
  to: number,
): void {
  for (let i = 0; i < count; i += 2) {
    const first = bytes[from + i] as number;
    const second = bytes[from + i + 1] as number;
    weight[to + i / 2] = (first & 0x0f) | ((second & 0x0f) << 4);
    weight[to + (count + i) / 2] = (first >> 4) | (second & 0xf0);
  }
}

/** Multiplies the bits of a float16 by a number. Each of the 65,536 is computed once: files have millions. */
function times(factor: number): (bits: number) => number {
  const known = new Int32Array(2 ** 16).fill(-1);
  return (bits) => {
    if (known[bits] === -1) known[bits] = toFloat16Bits(factor * fromFloat16Bits(bits));
    return known[bits] as number;
  };
}

/** A packed weight of so many blocks, which {@link packInto} writes. */
export function emptyPacked(packing: Packing, count: number): Packed {
  const groups = (count * packing.elements) / GROUP;
  return {
    weight: new Uint8Array((count * packing.elements * packing.bits) / 8),
    scales: new Uint16Array(groups),
    biases: new Uint16Array(groups),
  };
}

/** Packs blocks of a tensor, the first of which has the number `first`. */
export function packInto(to: Packed, packing: Packing, blocks: Uint8Array, first: number): void {
  const count = blocks.length / packing.bytes;
  for (let index = 0; index < count; index++) {
    packing.block(blocks, index * packing.bytes, first + index, to);
  }
}

/** Packs the blocks of a tensor. */
export function pack(packing: Packing, blocks: Uint8Array): Packed {
  const packed = emptyPacked(packing, blocks.length / packing.bytes);
  packInto(packed, packing, blocks, 0);
  return packed;
}
