import fc from "fast-check";
import type { FileArray } from "../../src/files/array.js";
import { FileError } from "../../src/files/error.js";
import { byteLength, DTYPES } from "../../src/tensor/dtype.js";

/** Arrays of every dtype, of 0 to 4 axes, with any bytes; booleans are 0 or 1. */
export function arrays(): fc.Arbitrary<FileArray> {
  const shape = fc.array(fc.nat(4), { maxLength: 4 });
  return fc.tuple(fc.constantFrom(...DTYPES), shape).chain(([dtype, sizes]) => {
    const type = { dtype, shape: sizes };
    const length = byteLength(type);
    return fc
      .uint8Array({ minLength: length, maxLength: length, ...(dtype === "bool" ? { max: 1 } : {}) })
      .map((bytes): FileArray => ({ type, bytes }));
  });
}

/** The code of the FileError that `action` throws; anything else fails the test. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof FileError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

interface NpyOptions {
  readonly version?: number;
  readonly fortran?: boolean;
  /** The descr is given as it shall stand in the file. */
  readonly raw?: boolean;
}

/** A .npy file, good or bad, from its parts. */
export function npyFile(
  descr: string,
  shape: string,
  data: Uint8Array,
  { version = 1, fortran = false, raw = false }: NpyOptions = {},
): Uint8Array {
  const order = fortran ? "True" : "False";
  const quoted = raw ? descr : `'${descr}'`;
  const text = `{'descr': ${quoted}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([
    Buffer.from("934e554d5059", "hex"),
    Buffer.of(version, 0),
    length,
    Buffer.from(text),
    data,
  ]);
}
