import { extname } from "node:path";
import type { FileArray } from "./array.js";
import { FileError } from "./error.js";
import { readGguf } from "./gguf/index.js";
import { Members, readMembers } from "./members.js";
import { readNpy, writeNpy } from "./npy.js";
import { readNpz, writeNpz } from "./npz.js";
import { checkWritable } from "./open.js";
import {
  openSafetensors,
  readSafetensor,
  type SafetensorsOptions,
  writeSafetensors,
} from "./safetensors.js";

export type { FileArray, FileRange } from "./array.js";
export { FileError, type FileErrorCode } from "./error.js";
export {
  type Gguf,
  type GgufKind,
  type GgufPart,
  type GgufParts,
  type GgufSource,
  type GgufTensor,
  type GgufValue,
  openGguf,
  readGgufSourceSync,
  readGgufTensor,
} from "./gguf/index.js";
export { Members } from "./members.js";
export { decodeNpy, encodeNpy, readNpy, writeNpy } from "./npy.js";
export { decodeNpz, encodeNpz, readNpz, writeNpz } from "./npz.js";
export {
  openSafetensors,
  readSafetensor,
  type Safetensors,
  type SafetensorsOptions,
  writeSafetensors,
} from "./safetensors.js";

const WRITTEN = [".npy", ".npz", ".safetensors"];
const READ = [...WRITTEN, ".gguf"];

/** The name that the only tensor of a .npy file gets. */
export const ONLY = "value";

/**
 * Reads all tensors of a file; its suffix tells the format. A tensor of a .npz, .safetensors or .gguf file that cannot be used is
 * listed, and throws when it is asked for.
 */
export async function readTensors(
  path: string,
  options: SafetensorsOptions = {},
): Promise<Members<FileArray>> {
  switch (extname(path)) {
    case ".npy":
      return only(await readNpy(path));
    case ".npz":
      return await readNpz(path);
    case ".gguf":
      return await readGguf(path);
    case ".safetensors": {
      const opened = await openSafetensors(path, options);
      return await readMembers(opened.tensors.keys(), (name) => readSafetensor(opened, name));
    }
    default:
      throw unknownFormat(path, READ);
  }
}

function only(array: FileArray): Members<FileArray> {
  return new Members(new Map([[ONLY, () => array]]));
}

/** Writes tensors to a file; its suffix tells the format. A .npy file takes exactly one. */
export async function writeTensors(
  path: string,
  tensors: ReadonlyMap<string, FileArray>,
): Promise<void> {
  checkFormat(path, tensors.size);
  switch (extname(path)) {
    case ".npy": {
      const [only] = tensors.values();
      return await writeNpy(path, only as FileArray);
    }
    case ".npz":
      return await writeNpz(path, tensors);
    default:
      return await writeSafetensors(path, tensors);
  }
}

/** Refuses, before there is anything to write, what {@link writeTensors} would refuse. @throws FileError */
export async function checkTarget(path: string, count: number): Promise<void> {
  checkFormat(path, count);
  await checkWritable(path);
}

/** Refuses a name that tells no format, or one that so many tensors do not fit into. */
function checkFormat(path: string, count: number): void {
  if (!WRITTEN.includes(extname(path))) throw unknownFormat(path, WRITTEN);
  if (extname(path) === ".npy" && count !== 1) {
    throw new FileError(
      "file_name_unknown",
      path,
      `a .npy file holds one tensor, and there are ${count}`,
      "a name that ends in .npz or .safetensors",
    );
  }
}

/** The error for a name that tells no format of these. */
function unknownFormat(path: string, formats: readonly string[]): FileError {
  return new FileError(
    "file_name_unknown",
    path,
    "its name tells no format",
    `a name that ends in ${formats.slice(0, -1).join(", ")} or ${formats.at(-1)}`,
  );
}
