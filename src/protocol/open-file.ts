import { closeSync, fstatSync, readSync } from "node:fs";
import { extname } from "node:path";
import type { FileRange } from "../files/array.js";
import { fromSystem } from "../files/error.js";
import { openRegularSync } from "../files/open.js";
import { headerLength, parseSafetensors, type Safetensors } from "../files/safetensors.js";
import { openFunction } from "../mlxfn/opened.js";

/** The tensors of a file that can be read one by one: those of a .safetensors file, or the constants of a .mlxfn file. */
export function openRanges(path: string): {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, FileRange>;
} {
  if (extname(path) === ".mlxfn") return { path, tensors: openFunction(path).constants };
  return openHeader(path);
}

/** Reads and checks a .safetensors file's header at once, so that ids are bound when their message arrives. */
function openHeader(path: string): Safetensors {
  const file = openRegularSync(path, "read");
  try {
    const { size } = fstatSync(file);
    const length = headerLength(readAt(file, 0, Math.min(8, size)), size, path);
    return parseSafetensors(readAt(file, 8, length), size, path);
  } catch (error) {
    throw fromSystem(error, path);
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(file, bytes, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
