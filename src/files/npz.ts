import { zipSync } from "fflate";
import type { FileArray } from "./array.js";
import { FileError } from "./error.js";
import { Members, once } from "./members.js";
import { decodeNpy, encodeNpy, isNpy } from "./npy.js";
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
export async function readNpz(path: string, options: NpzOptions = {}): Promise<Members<FileArray>> {
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

/**
 * Takes the bytes of a .npz file apart; names are without `.npy`. `path` is only for messages. A member that is damaged
 * or holds no tensor, such as strings, throws when it is asked for; files that are no arrays are not listed.
 */
export function decodeNpz(
  file: Uint8Array,
  path: string,
  options: NpzOptions = {},
): Members<FileArray> {
  const arrays = new Map<string, () => FileArray>();
  const others = new Map<string, () => never>();
  const unzipped = unzip(file, path, options.maxBytes ?? 4 * 2 ** 30);
  for (const [member, content] of unzipped) {
    const suffixed = member.endsWith(SUFFIX);
    if (suffixed || isArray(content)) {
      const bare = suffixed ? member.slice(0, -SUFFIX.length) : member;
      // As in numpy, a member of just that name has it; the other one keeps its suffix.
      const name = bare !== member && unzipped.has(bare) ? member : bare;
      arrays.set(
        name,
        once(() => decodeNpy(content(), `${path}:${name}`)),
      );
    } else {
      others.set(member, () => {
        throw new FileError("file_malformed", `${path}:${member}`, "it is no array", "a .npy file");
      });
    }
  }
  return new Members(arrays, others);
}

/** Tells a member without suffix that is an array all the same, as numpy does. */
function isArray(content: () => Uint8Array): boolean {
  try {
    return isNpy(content());
  } catch {
    return false;
  }
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
  // A fixed date, numpy's, so that the same arrays make the same file.
  return zipSync(members, { level: compress ? 6 : 0, mtime: new Date(1980, 0, 1) });
}
