import { DTYPE_ROWS, DTYPES } from "../contract/dtypes.js";
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

const ARRAYS = {
  Uint8Array,
  Uint16Array,
  Uint32Array,
  BigUint64Array,
  Int8Array,
  Int16Array,
  Int32Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
} as const;

const CONSTRUCTORS = Object.fromEntries(
  DTYPES.map((dtype) => [dtype, ARRAYS[DTYPE_ROWS[dtype].array]]),
) as { readonly [D in Dtype]: (typeof ARRAYS)[(typeof DTYPE_ROWS)[D]["array"]] };

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

const DTYPE_OF_ARRAY: Readonly<Record<string, Dtype>> = {
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
  return name === undefined ? undefined : DTYPE_OF_ARRAY[name];
}
