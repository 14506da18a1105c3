import { fromFloat16Bits, toFloat16Bits } from "../../tensor/half.js";
import { scaleAndMin, signedScale } from "./scales.js";

/** Writes the elements of one block. */
export type Dequantize = (block: DataView, to: Float32Array) => void;

/** A kind of blocks that MLX has no packed form of. Places in comments are bytes of a block. */
interface Dequantizer {
  readonly elements: number;
  readonly bytes: number;
  readonly block: Dequantize;
}

const half = (block: DataView, at: number): number => fromFloat16Bits(block.getUint16(at, true));

export const dequantizers = {
  // 0 scale, 2 fifth bits, 6 low halves
  Q5_0: {
    elements: 32,
    bytes: 22,
    block: (block, to) => {
      const scale = half(block, 0);
      fiveBits(block, 2, (q, i) => {
        to[i] = scale * (q - 16);
      });
    },
  },
  // 0 scale, 2 minimum, 4 fifth bits, 8 low halves
  Q5_1: {
    elements: 32,
    bytes: 24,
    block: (block, to) => {
      const scale = half(block, 0);
      const min = half(block, 2);
      fiveBits(block, 4, (q, i) => {
        to[i] = scale * q + min;
      });
    },
  },
  // 0 scales and minima, 4 bits each, 16 q with 2 bits, 80 scale of scales, 82 of minima
  Q2_K: {
    elements: 256,
    bytes: 84,
    block: (block, to) => {
      const scale = half(block, 80);
      const min = half(block, 82);
      twoBits(block, 16, (q, i) => {
        const group = block.getUint8(i >> 4);
        to[i] = scale * (group & 0x0f) * q - min * (group >> 4);
      });
    },
  },
  // 0 third bits, 32 q with 2 bits, 96 scales, 108 scale of scales
  Q3_K: {
    elements: 256,
    bytes: 110,
    block: (block, to) => {
      const scale = half(block, 108);
      twoBits(block, 32, (q, i) => {
        const high = (block.getUint8(i & 31) >> (i >> 5)) & 1;
        to[i] = scale * signedScale(block, 96, i >> 4) * (q - (high === 1 ? 0 : 4));
      });
    },
  },
  // 0 scale of scales, 2 of minima, 4 scales and minima, 16 fifth bits, 48 low halves
  Q5_K: {
    elements: 256,
    bytes: 176,
    block: (block, to) => {
      const scale = half(block, 0);
      const min = half(block, 2);
      const scales = new Uint8Array(block.buffer, block.byteOffset + 4, 12);
      for (let group = 0; group < 8; group++) {
        const [s, m] = scaleAndMin(scales, 0, group);
        const high = (group & 1) * 4;
        for (let i = 0; i < 32; i++) {
          const low = (block.getUint8(48 + (group >> 1) * 32 + i) >> high) & 0x0f;
          const q = low | (((block.getUint8(16 + i) >> group) & 1) << 4);
          to[group * 32 + i] = scale * s * q - min * m;
        }
      }
    },
  },
  // 0 low halves, 128 two more bits, 192 signed scales, 208 scale of scales
  Q6_K: {
    elements: 256,
    bytes: 210,
    block: (block, to) => {
      const scale = half(block, 208);
      for (let i = 0; i < 256; i++) {
        const [side, part, at] = [i >> 7, (i >> 5) & 3, i & 31];
        const byte = block.getUint8(side * 64 + (part & 1) * 32 + at);
        const low = part < 2 ? byte & 0x0f : byte >> 4;
        const high = (block.getUint8(128 + side * 32 + at) >> (2 * part)) & 3;
        to[i] = scale * block.getInt8(192 + (i >> 4)) * ((low | (high << 4)) - 32);
      }
    },
  },
  // 0 scale as float32, 4 signed bytes, 260 their sums
  Q8_K: {
    elements: 256,
    bytes: 292,
    block: (block, to) => {
      const scale = block.getFloat32(0, true);
      for (let i = 0; i < 256; i++) to[i] = scale * block.getInt8(4 + i);
    },
  },
} as const satisfies Record<string, Dequantizer>;

/** 32 numbers of 5 bits: a word of their highest bits, and 16 bytes whose low halves are the first 16. */
function fiveBits(block: DataView, at: number, each: (q: number, index: number) => void): void {
  const high = block.getUint32(at, true);
  for (let i = 0; i < 32; i++) {
    const byte = block.getUint8(at + 4 + (i & 15));
    each((i < 16 ? byte & 0x0f : byte >> 4) | (((high >>> i) & 1) << 4), i);
  }
}

/** 256 numbers of 2 bits: of each half of them 32 bytes, whose lowest bits are the first 32. */
function twoBits(block: DataView, at: number, each: (q: number, index: number) => void): void {
  for (let i = 0; i < 256; i++) {
    const byte = block.getUint8(at + (i >> 7) * 32 + (i & 31));
    each((byte >> (2 * ((i >> 5) & 3))) & 3, i);
  }
}

/** The elements of blocks, as bits of float16. */
export function dequantize(
  blocks: Uint8Array,
  { elements, bytes, block }: { elements: number; bytes: number; block: Dequantize },
): Uint16Array {
  const count = blocks.length / bytes;
  const result = new Uint16Array(count * elements);
  const values = new Float32Array(elements);
  for (let index = 0; index < count; index++) {
    block(new DataView(blocks.buffer, blocks.byteOffset + index * bytes, bytes), values);
    for (let i = 0; i < elements; i++) {
      result[index * elements + i] = toFloat16Bits(values[i] as number);
    }
  }
  return result;
}
