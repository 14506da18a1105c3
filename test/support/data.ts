import { type Dtype, elementCount, type TensorType } from "../../src/tensor/dtype.js";

/** A tensor of a test: its type, and its bytes row by row. */
export interface TestTensor {
  readonly type: TensorType;
  readonly bytes: Uint8Array;
}

/** What a dtype is made of. */
export type Kind = "bool" | "unsigned" | "signed" | "float" | "complex";

/** The kind of a dtype. */
export function kindOf(dtype: Dtype): Kind {
  if (dtype === "bool") return "bool";
  if (dtype.startsWith("uint")) return "unsigned";
  if (dtype.startsWith("int")) return "signed";
  return dtype === "complex64" ? "complex" : "float";
}

/** Makes a tensor of numbers; a complex one takes real and imaginary parts in turn. */
export function tensor(
  dtype: Dtype,
  shape: readonly number[],
  values: readonly (number | bigint)[],
): TestTensor {
  const count = elementCount(shape) * (dtype === "complex64" ? 2 : 1);
  if (values.length !== count) throw new Error(`${values.length} values for ${count} places`);
  return { type: { dtype, shape }, bytes: encode(dtype, values) };
}

/** A scalar. */
export function scalar(dtype: Dtype, value: number | bigint): TestTensor {
  return tensor(dtype, [], dtype === "complex64" ? [value, 0] : [value]);
}

function encode(dtype: Dtype, values: readonly (number | bigint)[]): Uint8Array {
  const numbers = () => values.map(Number);
  const bigints = () => values.map((value) => BigInt(value));
  const bytes = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer as ArrayBuffer);
  switch (dtype) {
    case "bool":
      return bytes(Uint8Array.from(values, (value) => (Number(value) === 0 ? 0 : 1)));
    case "uint8":
      return bytes(Uint8Array.from(numbers()));
    case "uint16":
      return bytes(Uint16Array.from(numbers()));
    case "uint32":
      return bytes(Uint32Array.from(numbers()));
    case "uint64":
      return bytes(BigUint64Array.from(bigints()));
    case "int8":
      return bytes(Int8Array.from(numbers()));
    case "int16":
      return bytes(Int16Array.from(numbers()));
    case "int32":
      return bytes(Int32Array.from(numbers()));
    case "int64":
      return bytes(BigInt64Array.from(bigints()));
    case "float16":
      return bytes(Uint16Array.from(numbers(), toHalf));
    case "bfloat16":
      return bytes(Uint16Array.from(numbers(), (value) => float32Bits(value) >>> 16));
    case "float32":
    case "complex64":
      return bytes(Float32Array.from(numbers()));
    case "float64":
      return bytes(Float64Array.from(numbers()));
  }
}

/** The elements as numbers; real and imaginary parts in turn. */
export function decode({ type, bytes }: TestTensor): (number | bigint)[] {
  const { buffer } = Uint8Array.from(bytes);
  switch (type.dtype) {
    case "bool":
    case "uint8":
      return [...new Uint8Array(buffer)];
    case "uint16":
      return [...new Uint16Array(buffer)];
    case "uint32":
      return [...new Uint32Array(buffer)];
    case "uint64":
      return [...new BigUint64Array(buffer)];
    case "int8":
      return [...new Int8Array(buffer)];
    case "int16":
      return [...new Int16Array(buffer)];
    case "int32":
      return [...new Int32Array(buffer)];
    case "int64":
      return [...new BigInt64Array(buffer)];
    case "float16":
      return Array.from(new Uint16Array(buffer), fromHalf);
    case "bfloat16":
      return Array.from(new Uint16Array(buffer), (bits) => bitsToFloat32(bits << 16));
    case "float32":
    case "complex64":
      return [...new Float32Array(buffer)];
    case "float64":
      return [...new Float64Array(buffer)];
  }
}

const float32Bits = (value: number): number =>
  new Uint32Array(Float32Array.of(value).buffer)[0] as number;
const bitsToFloat32 = (bits: number): number =>
  new Float32Array(Uint32Array.of(bits).buffer)[0] as number;

/** Exact for what float16 can hold, truncated otherwise: enough for test data. */
function toHalf(value: number): number {
  const bits = float32Bits(value);
  const sign = (bits >>> 16) & 0x8000;
  if (Number.isNaN(value)) return 0x7e00;
  const magnitude = Math.abs(value);
  if (magnitude >= 65536) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | Math.floor(magnitude * 2 ** 24);
  return sign | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** How values are chosen. Floats are multiples of 1/64, so that every float dtype holds them exactly. */
export type Fill =
  /** Both signs, zero too; integers up to 100. */
  | "any"
  /** Above zero. */
  | "positive"
  /** Other than zero; integers up to 10. */
  | "nonzero"
  /** Between -1 and 1, both excluded; integers 0. */
  | "unit"
  /** Up to 4, for products and powers. */
  | "small";

/** A tensor of values that look random and are the same at every run. */
export function filled(
  dtype: Dtype,
  shape: readonly number[],
  fill: Fill = "any",
  seed = 1,
): TestTensor {
  const kind = kindOf(dtype);
  const count = elementCount(shape) * (kind === "complex" ? 2 : 1);
  const random = generator(seed);
  return tensor(
    dtype,
    shape,
    Array.from({ length: count }, () => draw(kind, fill, random)),
  );
}

function draw(kind: Kind, fill: Fill, random: () => number): number {
  const between = (least: number, most: number) =>
    least + Math.floor(random() * (most - least + 1));
  if (kind === "bool") return fill === "positive" || fill === "nonzero" ? 1 : between(0, 1);
  const whole = kind === "signed" || kind === "unsigned";
  const scale = whole ? 1 : 1 / 64;
  const negative = kind !== "unsigned";
  switch (fill) {
    case "any":
      return whole ? between(negative ? -100 : 0, 100) : between(-255, 255) * scale;
    case "positive":
      return whole ? between(1, 100) : between(1, 255) * scale;
    case "nonzero": {
      const magnitude = whole ? between(2, 10) : between(16, 255) * scale;
      return negative && random() < 0.5 ? -magnitude : magnitude;
    }
    case "unit":
      return whole ? 0 : between(-63, 63) * scale;
    case "small":
      return whole ? between(negative ? -4 : 0, 4) : between(-127, 127) * scale;
  }
}

/** A linear congruential generator: numbers from 0 to 1. */
function generator(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What float kernels get wrong: NaN, infinities, both zeros, the tiny and the huge. */
export function specials(dtype: Dtype): TestTensor {
  const huge = dtype === "float16" ? 60000 : 2 ** 100;
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const values = [nan, inf, -inf, 0, -0, 1, -1, 0.5, -0.5, 2 ** -14, huge, -huge];
  return dtype === "complex64"
    ? tensor(dtype, [6], values)
    : tensor(dtype, [values.length], values);
}
