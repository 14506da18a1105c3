import { closeSync, fstatSync, readSync } from "node:fs";
import { fromSystem } from "../files/error.js";
import { openRegularSync } from "../files/open.js";
import { headerLength, parseSafetensors, type Safetensors } from "../files/safetensors.js";

/** Reads and checks a .safetensors file's header at once, so that ids are bound when their message arrives. */
export function openHeader(path: string): Safetensors {
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
