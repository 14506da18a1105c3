import { extname } from "node:path";
import type { FileArray } from "./array.js";
import { FileError } from "./error.js";
import { readNpy, writeNpy } from "./npy.js";
import { readNpz, writeNpz } from "./npz.js";
import { openSafetensors, readSafetensor, writeSafetensors } from "./safetensors.js";

export type { FileArray, FileRange } from "./array.js";
export { FileError, type FileErrorCode } from "./error.js";
export { decodeNpy, encodeNpy, readNpy, writeNpy } from "./npy.js";
export { decodeNpz, encodeNpz, readNpz, writeNpz } from "./npz.js";
export {
  openSafetensors,
  readSafetensor,
  type Safetensors,
  writeSafetensors,
} from "./safetensors.js";

/** The name that the only tensor of a .npy file gets. */
export const ONLY = "value";

/** Reads all tensors of a file; its suffix tells the format. */
export async function readTensors(path: string): Promise<Map<string, FileArray>> {
  switch (extname(path)) {
    case ".npy":
      return new Map([[ONLY, await readNpy(path)]]);
    case ".npz":
      return await readNpz(path);
    case ".safetensors": {
      const opened = await openSafetensors(path);
      const tensors = new Map<string, FileArray>();
      for (const name of opened.tensors.keys()) {
        tensors.set(name, await readSafetensor(opened, name));
      }
      return tensors;
    }
    default:
      throw unknownFormat(path);
  }
}

/** Writes tensors to a file; its suffix tells the format. A .npy file takes exactly one. */
export async function writeTensors(
  path: string,
  tensors: ReadonlyMap<string, FileArray>,
): Promise<void> {
  switch (extname(path)) {
    case ".npy": {
      const [only, ...more] = tensors.values();
      if (only === undefined || more.length > 0) {
        throw new FileError(
          "file_name",
          path,
          `a .npy file holds one tensor, and there are ${tensors.size}`,
          "a name that ends in .npz or .safetensors",
        );
      }
      return await writeNpy(path, only);
    }
    case ".npz":
      return await writeNpz(path, tensors);
    case ".safetensors":
      return await writeSafetensors(path, tensors);
    default:
      throw unknownFormat(path);
  }
}

/** The error for a name that tells no format. */
export function unknownFormat(path: string): FileError {
  return new FileError(
    "file_name",
    path,
    "its name tells no format",
    "a name that ends in .npy, .npz or .safetensors",
  );
}
