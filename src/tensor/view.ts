import { type Dtype, formatType, type TensorType } from "./dtype.js";
import { TensorError } from "./error.js";
import { bfloat16ToFloat32, float16ToFloat32 } from "./half.js";
import { type TypedArray, typedArray } from "./typed-array.js";

/** The methods of a typed array that write, or lend what can be written to. */
type Writing = "set" | "fill" | "copyWithin" | "sort" | "reverse" | "subarray";

type ReadonlyArrayOf<A extends TypedArray> = Omit<A, Writing | number> & {
  readonly [index: number]: A[number];
  subarray(begin?: number, end?: number): ReadonlyArrayOf<A>;
};

/**
 * A typed array that TypeScript does not let be written to. JavaScript has no such thing: at run time it is a typed array as any other, and what is
 * written to it is seen by all who have the memory.
 */
export type ReadonlyTypedArray = TypedArray extends infer A
  ? A extends TypedArray
    ? ReadonlyArrayOf<A>
    : never
  : never;

/** The class of a Float16Array, where the runtime has it. */
function float16Array(): (new (buffer: ArrayBuffer) => TypedArray) | undefined {
  return (globalThis as { Float16Array?: new (buffer: ArrayBuffer) => TypedArray }).Float16Array;
}

/** A tensor's bytes as they are seen through `view()`: as {@link typedArray}, but float16 as a Float16Array where the runtime has it. */
export function viewArray(dtype: Dtype, buffer: ArrayBuffer): TypedArray {
  const Float16 = dtype === "float16" ? float16Array() : undefined;
  return Float16 === undefined ? typedArray(dtype, buffer) : new Float16(buffer);
}

/**
 * Converts a tensor's bytes to numbers of float32; booleans are 0 and 1.
 * @throws TensorError `type_invalid` for complex numbers
 */
export function float32Copy(type: TensorType, buffer: ArrayBuffer): Float32Array {
  const items = typedArray(type.dtype, buffer);
  switch (type.dtype) {
    case "complex64":
      throw new TensorError(
        "type_invalid",
        `a ${formatType(type)} has complex numbers`,
        "a tensor of real numbers",
      );
    case "float16":
      return float16ToFloat32(items as Uint16Array);
    case "bfloat16":
      return bfloat16ToFloat32(items as Uint16Array);
    case "int64":
    case "uint64":
      return Float32Array.from(items as BigInt64Array | BigUint64Array, Number);
    default:
      return new Float32Array(items as Float32Array);
  }
}
