import { typedArrayName } from "../realm.js";
import { type Dtype, itemBytes } from "./dtype.js";

/** The typed arrays that tensors are seen through, and more that they can be made of: also a Float16Array, in Node 24. */
export type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

const CONSTRUCTORS = {
  bool: Uint8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  complex64: Float32Array,
} as const;

/**
 * Bytes as a typed array, without a copy: bool as Uint8Array, float16 and bfloat16 as their bits in a
 * Uint16Array, complex64 as pairs in a Float32Array.
 */
export function typedArray(dtype: Dtype, buffer: ArrayBuffer): TypedArray {
  return new CONSTRUCTORS[dtype](buffer);
}

/** As {@link typedArray}, from bytes at any offset: copied where they are not aligned. */
export function typedArrayOf(dtype: Dtype, bytes: Uint8Array): TypedArray {
  const Constructor = CONSTRUCTORS[dtype];
  const { buffer, byteOffset, byteLength } =
    bytes.byteOffset % Constructor.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new Constructor(
    buffer as ArrayBuffer,
    byteOffset,
    Math.floor(byteLength / Constructor.BYTES_PER_ELEMENT),
  );
}

/** A new typed array for so many elements of a dtype. */
export function newTypedArray(dtype: Dtype, elements: number): TypedArray {
  return typedArray(dtype, new ArrayBuffer(elements * itemBytes(dtype)));
}

/** Tells whether a value is one of the typed arrays that tensors are made from. */
export function isTypedArray(value: unknown): value is TypedArray {
  return dtypeOfTypedArray(value) !== undefined;
}

const DTYPES: Readonly<Record<string, Dtype>> = {
  Uint8Array: "uint8",
  Uint8ClampedArray: "uint8",
  Uint16Array: "uint16",
  Uint32Array: "uint32",
  BigUint64Array: "uint64",
  Int8Array: "int8",
  Int16Array: "int16",
  Int32Array: "int32",
  BigInt64Array: "int64",
  Float16Array: "float16",
  Float32Array: "float32",
  Float64Array: "float64",
};

/** The dtype that a typed array stands for. */
export function dtypeOfTypedArray(value: unknown): Dtype | undefined {
  const name = typedArrayName(value);
  return name === undefined ? undefined : DTYPES[name];
}
