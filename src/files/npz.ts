import { zipSync } from "fflate";
import type { FileArray } from "./array.js";
import { FileError } from "./error.js";
import { decodeNpy, encodeNpy } from "./npy.js";
import { readRegular, writeRegular } from "./open.js";
import { unzip } from "./zip.js";

/** Options of reading archives. */
export interface NpzOptions {
  /** The most bytes that all arrays together may have; 4 GiB unless given. */
  readonly maxBytes?: number;
}

const SUFFIX = ".npy";
/** fflate writes no zip64, so offsets have to fit into 32 bits. */
const MAX_ARCHIVE = 2 ** 32 - 1;

/** Reads a .npz file, as `numpy.savez` and `numpy.savez_compressed` write it. */
export async function readNpz(
  path: string,
  options: NpzOptions = {},
): Promise<Map<string, FileArray>> {
  return decodeNpz(await readRegular(path), path, options);
}

/** Writes a .npz file, not compressed unless `compress` is set. */
export async function writeNpz(
  path: string,
  arrays: ReadonlyMap<string, FileArray>,
  compress = false,
): Promise<void> {
  await writeRegular(path, encodeNpz(arrays, path, compress));
}

/** Takes the bytes of a .npz file apart; names are without `.npy`. `path` is only for messages. */
export function decodeNpz(
  file: Uint8Array,
  path: string,
  options: NpzOptions = {},
): Map<string, FileArray> {
  const arrays = new Map<string, FileArray>();
  for (const [member, bytes] of unzip(file, path, options.maxBytes ?? 4 * 2 ** 30)) {
    if (!member.endsWith(SUFFIX)) {
      throw new FileError(
        "file_malformed",
        path,
        `its member "${member}" is no array`,
        "members named *.npy only",
      );
    }
    const name = member.slice(0, -SUFFIX.length);
    arrays.set(name, decodeNpy(bytes, `${path}:${name}`));
  }
  return arrays;
}

/** Makes the bytes of a .npz file. `path` is only for messages. */
export function encodeNpz(
  arrays: ReadonlyMap<string, FileArray>,
  path = "archive",
  compress = false,
): Uint8Array {
  // A Map's names become an object's keys: without a prototype, so that "__proto__" is only a name.
  const members: Record<string, Uint8Array> = Object.create(null);
  let total = 0;
  for (const [name, array] of arrays) {
    const bytes = encodeNpy(array, `${path}:${name}`);
    total += bytes.length + 2 * (name.length + 128);
    members[name + SUFFIX] = bytes;
  }
  if (total > MAX_ARCHIVE) {
    throw new FileError(
      "file_too_large",
      path,
      `its arrays are ${total} bytes`,
      "less than 4 GiB; a .safetensors file may be larger",
    );
  }
  // A fixed date, numpy's, so that the same arrays give the same file.
  return zipSync(members, { level: compress ? 6 : 0, mtime: new Date(1980, 0, 1) });
}
