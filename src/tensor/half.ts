// Bits of a float32 and back, through one shared word.
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds to the nearest, ties to even, while `shift` low bits are cut off. */
function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** The bits of the float16 nearest to a float32. NaN stays NaN; what is too large becomes infinite. */
export function toFloat16Bits(value: number): number {
  float[0] = value;
  const word = bits[0] as number;
  const sign = (word >>> 16) & 0x8000;
  const exponent = (word >>> 23) & 0xff;
  const fraction = word & 0x7fffff;
  if (exponent === 0xff) return sign | (fraction === 0 ? 0x7c00 : 0x7e00 | (fraction >>> 13));
  // A carry out of the fraction raises the exponent, up to infinity: that is the rounding wanted.
  if (exponent >= 113) {
    return sign | Math.min(roundShift(((exponent - 112) << 23) | fraction, 13), 0x7c00);
  }
  if (exponent < 102) return sign;
  return sign | roundShift(0x800000 | fraction, 126 - exponent);
}

/** The value of a float16. */
export function fromFloat16Bits(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bits of the bfloat16 nearest to a float32. */
export function toBfloat16Bits(value: number): number {
  float[0] = value;
  const word = bits[0] as number;
  if (Number.isNaN(value)) return 0x7fc0 | ((word >>> 16) & 0x8000);
  return roundShift(word, 16) & 0xffff;
}

/** The value of a bfloat16. */
export function fromBfloat16Bits(half: number): number {
  bits[0] = half << 16;
  return float[0] as number;
}

/** The values of all float16, by their bits; made when it is first worth it. */
let float16Values: Float32Array | undefined;

/** Converts float16 bits, as a view of a float16 tensor has them. */
export function float16ToFloat32(halves: Uint16Array): Float32Array {
  const floats = new Float32Array(halves.length);
  if (float16Values === undefined && halves.length >= 0x10000) {
    float16Values = Float32Array.from({ length: 0x10000 }, (_, half) => fromFloat16Bits(half));
  }
  const table = float16Values;
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i] as number;
    floats[i] = table === undefined ? fromFloat16Bits(half) : (table[half] as number);
  }
  return floats;
}

/** Converts bfloat16 bits, as a view of a bfloat16 tensor has them. */
export function bfloat16ToFloat32(halves: Uint16Array): Float32Array {
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = (halves[i] as number) << 16;
  return new Float32Array(words.buffer);
}

/** Converts to float16 bits. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, toFloat16Bits);
}

/** Converts to bfloat16 bits. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, toBfloat16Bits);
}
