import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { FileError, fromSystem } from "../files/error.js";
import { headerLength, parseSafetensors, type Safetensors } from "../files/safetensors.js";

/** Reads and checks a .safetensors file's header at once, so that ids are bound when their message arrives. */
export function openHeader(path: string): Safetensors {
  try {
    // A pipe would be waited for until somebody opens its other end.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      if (!stats.isFile()) {
        throw new FileError("file_unreadable", path, "it is no file", "a regular file");
      }
      const { size } = stats;
      const length = headerLength(readAt(file, 0, Math.min(8, size)), size, path);
      return parseSafetensors(readAt(file, 8, length), size, path);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fromSystem(error, path);
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
