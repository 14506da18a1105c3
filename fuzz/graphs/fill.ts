import {
  type Dtype,
  elementCount,
  isInexact,
  itemBytes,
  type TensorType,
} from "../../src/tensor/dtype.js";
import { toBfloat16Bits, toFloat16Bits } from "../../src/tensor/half.js";
import { Random } from "../random.js";

/** How a tensor is filled. */
export interface Fill {
  readonly style: (typeof STYLES)[number];
  readonly seed: number;
  /** Whether each real value is moved by about one unit in the last place, up, down or not at all. */
  readonly nudged?: boolean;
}

/** From the simplest to the worst. `tame` values are such that an op's result says something. */
export const STYLES = ["zeros", "ones", "counting", "tame", "wide", "rare", "hostile"] as const;

const SPECIAL = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  1,
  -1,
  1e38,
  -1e38,
  1e-40,
  0.5,
  3,
  2.5,
  1e10,
];

/** The bytes of a tensor of a type. */
export function filled(type: TensorType, { style, seed, nudged = false }: Fill): Uint8Array {
  const { dtype, shape } = type;
  const random = new Random(seed);
  const values = dtype.includes("int")
    ? integers(style, itemBytes(dtype), random)
    : reals(style, random);
  const draw = nudged && isInexact(dtype) ? nudge(values, dtype, new Random(seed + 1)) : values;
  const count = elementCount(shape) * (dtype === "complex64" ? 2 : 1);
  const bytes = new Uint8Array(elementCount(shape) * itemBytes(dtype));
  const put = writer(dtype, new DataView(bytes.buffer));
  for (let index = 0; index < count; index++) put(index, draw(index));
  return bytes;
}

/** One unit in the last place, relative to the value; of other dtypes that of float32. */
const UNITS: Partial<Record<Dtype, number>> = {
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  float64: 2 ** -52,
};

type Draw = (index: number) => number | bigint;

function reals(style: Fill["style"], random: Random): (index: number) => number {
  switch (style) {
    case "zeros":
      return () => 0;
    case "ones":
      return () => 1;
    case "counting":
      return (index) => (index % 7) + 1;
    case "tame":
      return () => random.between(-255, 255) / 64;
    case "wide":
      return () => random.unit() * 4 - 2;
    case "rare":
      return () => (random.chance(0.02) ? random.pick(SPECIAL) : random.unit() * 2 - 1);
    case "hostile":
      return () => random.pick(SPECIAL);
  }
}

function nudge(draw: Draw, dtype: Dtype, random: Random): Draw {
  const unit = UNITS[dtype] ?? 2 ** -23;
  return (index) => Number(draw(index)) * (1 + unit * random.between(-1, 1));
}

function integers(style: Fill["style"], bytes: number, random: Random): Draw {
  const bits = BigInt(8 * bytes);
  const far = [
    0n,
    1n,
    -1n,
    -(1n << (bits - 1n)),
    (1n << (bits - 1n)) - 1n,
    (1n << bits) - 1n,
    2n,
    7n,
    1n << (bits / 2n),
  ];
  switch (style) {
    case "zeros":
      return () => 0n;
    case "ones":
      return () => 1n;
    case "counting":
      return (index) => BigInt((index % 7) + 1);
    case "tame":
      return () => BigInt(random.below(4));
    case "wide":
      return () => BigInt(random.between(-4, 7));
    case "rare":
      return () => (random.chance(0.05) ? random.pick(far) : BigInt(random.below(4)));
    case "hostile":
      return () => random.pick(far);
  }
}

function writer(dtype: Dtype, view: DataView): (index: number, value: number | bigint) => void {
  switch (dtype) {
    case "bool":
      return (index, value) => view.setUint8(index, Number(value) > 0 ? 1 : 0);
    case "uint8":
    case "int8":
      return (index, value) => view.setUint8(index, Number(BigInt.asUintN(8, BigInt(value))));
    case "uint16":
    case "int16":
      return (index, value) =>
        view.setUint16(2 * index, Number(BigInt.asUintN(16, BigInt(value))), true);
    case "uint32":
    case "int32":
      return (index, value) =>
        view.setUint32(4 * index, Number(BigInt.asUintN(32, BigInt(value))), true);
    case "uint64":
    case "int64":
      return (index, value) =>
        view.setBigUint64(8 * index, BigInt.asUintN(64, BigInt(value)), true);
    case "float16":
      return (index, value) => view.setUint16(2 * index, toFloat16Bits(Number(value)), true);
    case "bfloat16":
      return (index, value) => view.setUint16(2 * index, toBfloat16Bits(Number(value)), true);
    case "float32":
    case "complex64":
      return (index, value) => view.setFloat32(4 * index, Number(value), true);
    case "float64":
      return (index, value) => view.setFloat64(8 * index, Number(value), true);
  }
}
