import { GRAPH_LIMITS } from "../contract/limits.js";
import { show } from "../show.js";
import {
  byteLength,
  type Dtype,
  EXPECTED_DTYPE,
  elementCount,
  formatType,
  isDtype,
  sameType,
  type TensorType,
} from "./dtype.js";
import { TensorError } from "./error.js";
import { fromBfloat16Bits, fromFloat16Bits, toBfloat16Bits, toFloat16Bits } from "./half.js";
import {
  dtypeOfTypedArray,
  isTypedArray,
  newTypedArray,
  type TypedArray,
  typedArrayOf,
} from "./typed-array.js";

export { type TypedArray, typedArray } from "./typed-array.js";

/** The most nested arrays. */
const MAX_RANK = GRAPH_LIMITS.rank.default;

/** One element: 64-bit integers are bigints, bools booleans. */
export type Scalar = number | bigint | boolean;

/** A value as nested arrays, one level per dimension; a complex element is a pair `[re, im]`. */
export type NestedArray = Scalar | readonly NestedArray[];

/** A value that a tensor can be made from. */
export type TensorLike = NestedArray | TypedArray;

/**
 * The type of the tensor that a value makes. Without a dtype: numbers are float32 (JavaScript does not tell 1 from
 * 1.0), bigints int64 (uint64 where one does not fit), booleans bool, typed arrays what they are.
 * With complex64 the innermost arrays are pairs `[re, im]`.
 * @throws TensorError `type_invalid` for what is no dtype, `shape_invalid` where the arrays are ragged, `value_invalid` for
 * what is no number.
 */
export function typeOfValue(value: TensorLike, dtype?: Dtype): TensorType {
  if (dtype !== undefined && dtype !== null && !isDtype(dtype)) {
    throw new TensorError("type_invalid", `a dtype is ${show(dtype)}`, EXPECTED_DTYPE);
  }
  if (isTypedArray(value)) {
    const own = dtypeOfTypedArray(value) as Dtype;
    const pairs = dtype === "complex64" && own === "float32";
    if (pairs && value.length % 2 !== 0) {
      throw new TensorError(
        "shape_invalid",
        `a Float32Array of ${value.length} numbers does not hold pairs [re, im]`,
      );
    }
    return { dtype: dtype ?? own, shape: [pairs ? value.length / 2 : value.length] };
  }
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) {
    if (shape.length >= MAX_RANK) {
      throw new TensorError("shape_invalid", `more than ${MAX_RANK} nested arrays`);
    }
    shape.push(level.length);
  }
  const kinds = new Set<"number" | "bigint" | "boolean">();
  let large = false;
  walk(value, shape, (scalar) => {
    kinds.add(typeof scalar as "number");
    if (typeof scalar === "bigint" && scalar >= 2n ** 63n) large = true;
  });
  if (dtype === "complex64" && shape.length > 0) {
    const last = shape.pop();
    if (last !== 2) {
      throw new TensorError(
        "shape_invalid",
        `the innermost arrays have ${last} numbers; complex64 takes pairs [re, im]`,
      );
    }
  }
  return { dtype: dtype ?? inferDtype(kinds, large), shape };
}

function inferDtype(kinds: ReadonlySet<string>, large: boolean): Dtype {
  if (kinds.has("number") || kinds.size === 0) return "float32";
  if (kinds.has("bigint")) return large ? "uint64" : "int64";
  return "bool";
}

/**
 * The bytes of a value as a tensor of a type: row by row, little-endian. A typed array needs only the right number of
 * elements; a Uint16Array for float16 or bfloat16 has their bits, a Float32Array for complex64 pairs.
 * Numbers are rounded to a floating dtype; an integer dtype takes only integers in its range.
 * @throws TensorError that names the value and what was expected.
 */
export function toBytes(value: TensorLike, type: TensorType): Uint8Array {
  if (isTypedArray(value)) return typedToBytes(value, type);
  const own = typeOfValue(value, type.dtype);
  if (!sameType(own, type)) {
    throw new TensorError(
      "shape_invalid",
      `the value makes a ${formatType(own)}, not a ${formatType(type)}`,
    );
  }
  const out = newTypedArray(type.dtype, elementCount(type.shape));
  const write = writer(type.dtype, out);
  let at = 0;
  if (type.dtype === "complex64") {
    const shape = Array.isArray(value) ? [...type.shape, 2] : type.shape;
    walk(value, shape, (scalar) => write(at++, scalar));
  } else walk(value, type.shape, (scalar) => write(at++, scalar));
  return new Uint8Array(out.buffer as ArrayBuffer);
}

/** A tensor's bytes as nested arrays. */
export function fromBytes(bytes: Uint8Array, type: TensorType): NestedArray {
  checkLength(bytes, type);
  const read = elementReader(bytes, type.dtype);
  let at = 0;
  const level = (axis: number): NestedArray => {
    if (axis === type.shape.length) return read(at++);
    return Array.from({ length: type.shape[axis] as number }, () => level(axis + 1));
  };
  return level(0);
}

/** Refuses bytes that are not as many as the type needs. */
export function checkLength(bytes: Uint8Array, type: TensorType): void {
  if (bytes.length !== byteLength(type)) {
    throw new TensorError(
      "value_size_invalid",
      `${formatType(type)} has ${byteLength(type)} bytes, but ${bytes.length} were given`,
    );
  }
}

/** Reads single elements of a tensor's bytes, by their number. */
export function elementReader(
  bytes: Uint8Array,
  dtype: Dtype,
): (index: number) => Scalar | [number, number] {
  const items = typedArrayOf(dtype, bytes);
  const number = (index: number) => items[index] as number;
  switch (dtype) {
    case "bool":
      return (index) => items[index] !== 0;
    case "float16":
      return (index) => fromFloat16Bits(number(index));
    case "bfloat16":
      return (index) => fromBfloat16Bits(number(index));
    case "complex64":
      return (index) => [number(2 * index), number(2 * index + 1)];
    default:
      return (index) => items[index] as number | bigint;
  }
}

/** Visits every number of nested arrays in order, and refuses what is ragged or no number. */
function walk(value: unknown, shape: readonly number[], visit: (scalar: Scalar) => void): void {
  const level = (item: unknown, axis: number): void => {
    if (Array.isArray(item)) {
      if (axis === shape.length || item.length !== shape[axis]) {
        const expected =
          axis === shape.length ? "a number" : `an array of ${shape[axis]}, as its neighbour`;
        throw new TensorError(
          "shape_invalid",
          `the nested arrays are ragged: an array of ${item.length} where ${expected} was expected`,
        );
      }
      for (const inner of item) level(inner, axis + 1);
    } else if (axis < shape.length) {
      throw new TensorError(
        "shape_invalid",
        `the nested arrays are ragged: ${String(item)} where an array of ${shape[axis]} was expected`,
      );
    } else if (typeof item === "number" || typeof item === "bigint" || typeof item === "boolean") {
      visit(item);
    } else {
      throw new TensorError(
        "value_invalid",
        `${describe(item)} is not a number, bigint or boolean`,
      );
    }
  };
  level(value, 0);
}

function describe(item: unknown): string {
  return typeof item === "string" ? show(item) : typeof item;
}

const RANGES: Partial<Record<Dtype, readonly [min: bigint, max: bigint]>> = {
  uint8: [0n, 0xffn],
  uint16: [0n, 0xffffn],
  uint32: [0n, 0xffffffffn],
  uint64: [0n, 2n ** 64n - 1n],
  int8: [-0x80n, 0x7fn],
  int16: [-0x8000n, 0x7fffn],
  int32: [-0x80000000n, 0x7fffffffn],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Writes single elements into a typed array of a dtype, checked. */
function writer(dtype: Dtype, out: TypedArray): (index: number, scalar: Scalar) => void {
  const items = out as { [index: number]: number | bigint };
  const range = RANGES[dtype];
  if (range !== undefined) {
    const wide = dtype === "uint64" || dtype === "int64";
    const [min, max] = range;
    return (index, scalar) => {
      const integer = typeof scalar === "boolean" ? Number(scalar) : scalar;
      const whole = typeof integer === "bigint" || Number.isInteger(integer);
      if (!whole || integer < min || integer > max) {
        throw new TensorError(
          "value_invalid",
          `${scalar} is not a ${dtype}; expected an integer from ${min} to ${max}`,
        );
      }
      items[index] = wide ? BigInt(integer) : Number(integer);
    };
  }
  switch (dtype) {
    case "bool":
      return (index, scalar) => {
        if (Number(scalar) !== 0 && Number(scalar) !== 1) {
          throw new TensorError("value_invalid", `${scalar} is not a bool; expected a boolean`);
        }
        items[index] = Number(scalar);
      };
    case "float16":
      return (index, scalar) => {
        items[index] = toFloat16Bits(Number(scalar));
      };
    case "bfloat16":
      return (index, scalar) => {
        items[index] = toBfloat16Bits(Number(scalar));
      };
    default:
      // For complex64 pairs come one number after the other; a scalar stands for its real part.
      return (index, scalar) => {
        items[index] = Number(scalar);
      };
  }
}

function typedToBytes(value: TypedArray, type: TensorType): Uint8Array {
  const own = dtypeOfTypedArray(value) as Dtype;
  const { dtype } = type;
  const half = own === "uint16" && (dtype === "float16" || dtype === "bfloat16");
  const pairs = own === "float32" && dtype === "complex64";
  const elements = pairs ? value.length / 2 : value.length;
  if (elements !== elementCount(type.shape)) {
    throw new TensorError(
      "value_size_invalid",
      `${formatType(type)} has ${elementCount(type.shape)} elements, but ${elements} were given`,
    );
  }
  if (own === dtype || half || pairs) {
    return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
  }
  const out = newTypedArray(dtype, elements);
  const write = writer(dtype, out);
  const step = dtype === "complex64" ? 2 : 1;
  for (let i = 0; i < elements; i++) write(i * step, value[i] as Scalar);
  return new Uint8Array(out.buffer as ArrayBuffer);
}
