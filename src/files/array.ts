import { show } from "../show.js";
import {
  byteLength,
  EXPECTED_DTYPE,
  formatType,
  isDtype,
  MAX_SIZE,
  type TensorType,
} from "../tensor/dtype.js";
import { FileError } from "./error.js";

/** A tensor as a file holds it: its type, and its elements row by row, little-endian. */
export interface FileArray {
  /** Dtype and shape. */
  readonly type: TensorType;
  /** The elements, row by row, little-endian. */
  readonly bytes: Uint8Array;
}

/** The place of a tensor in a file, for reading it later. */
export interface FileRange {
  /** Dtype and shape. */
  readonly type: TensorType;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

/** As many axes as numpy allows. */
const MAX_RANK = 64;

/** Refuses a type that no tensor can have. Returns the number of bytes of a tensor of this type. */
export function checkedByteLength(type: TensorType, path: string): number {
  if (!isDtype(type.dtype)) {
    throw new FileError("file_malformed", path, `the dtype is ${show(type.dtype)}`, EXPECTED_DTYPE);
  }
  if (type.shape.length > MAX_RANK) {
    throw new FileError(
      "file_malformed",
      path,
      `the shape has ${type.shape.length} axes`,
      `at most ${MAX_RANK} axes`,
    );
  }
  const bad = type.shape.find((size) => !Number.isInteger(size) || size < 0 || size > MAX_SIZE);
  const length = bad === undefined ? byteLength(type) : 0;
  if (bad !== undefined || !Number.isSafeInteger(length)) {
    throw new FileError(
      "file_malformed",
      path,
      `the shape [${type.shape.join(", ")}] is impossible`,
      `sizes from 0 to ${MAX_SIZE} and less than 2^53 bytes in all`,
    );
  }
  return length;
}

/** Refuses an array whose bytes are not as many as its type says. */
export function checkArray(array: FileArray, path: string): void {
  const expected = checkedByteLength(array.type, path);
  if (array.bytes.length !== expected) {
    throw new FileError(
      "file_malformed",
      path,
      `${array.bytes.length} bytes were given for ${formatType(array.type)}`,
      `${expected} bytes`,
    );
  }
}

/** The bytes of booleans as 0 and 1: files may have other bytes for true, which compilers do not expect. */
export function toBools(bytes: Uint8Array): Uint8Array {
  return bytes.some((byte) => byte > 1) ? bytes.map((byte) => Number(byte !== 0)) : bytes;
}
