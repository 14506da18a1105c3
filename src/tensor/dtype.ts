import { DTYPES, type Dtype, type DtypeRow, dtypeColumn } from "../contract/dtypes.js";

export { DTYPES, type Dtype };

const KINDS = dtypeColumn("kind");
const ITEM_BYTES = dtypeColumn("bytes");

/** The largest size of a dimension: MLX counts in 32 bits. */
export const MAX_SIZE = 2 ** 31 - 1;

/** What the elements of a dtype are. */
export function dtypeKind(dtype: Dtype): DtypeRow["kind"] {
  return KINDS[dtype];
}

/** Tells whether elements are integers; booleans are none. */
export function isIntegral(dtype: Dtype): boolean {
  const kind = KINDS[dtype];
  return kind === "signed" || kind === "unsigned";
}

/** Tells whether elements are floating or complex. */
export function isInexact(dtype: Dtype): boolean {
  const kind = KINDS[dtype];
  return kind === "float" || kind === "complex";
}

/** The bytes of one element. */
export function itemBytes(dtype: Dtype): number {
  return ITEM_BYTES[dtype];
}

/** Tells whether a value names an element type. */
export function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(ITEM_BYTES, value);
}

/** Writes for an error what a value that is no dtype should have been. */
export const EXPECTED_DTYPE = `one of ${DTYPES.join(", ")}`;

/** The dtype and shape of a tensor. */
export interface TensorType {
  /** The type of its elements. */
  readonly dtype: Dtype;
  /** Its sizes, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
}

/** The number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The bytes that a tensor of this type holds, row by row without gaps. */
export function byteLength(type: TensorType): number {
  return elementCount(type.shape) * itemBytes(type.dtype);
}

/** Prints a type as MLX users write it: `float32[2, 3]`. */
export function formatType(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(", ")}]`;
}

/** Tells whether two types are the same. */
export function sameType(a: TensorType, b: TensorType): boolean {
  return (
    a.dtype === b.dtype &&
    a.shape.length === b.shape.length &&
    a.shape.every((size, axis) => size === b.shape[axis])
  );
}

/** Whether two types have the same dtype and as many axes. */
export function sameRank(a: TensorType, b: TensorType): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length;
}
