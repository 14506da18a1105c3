import { closeSync, fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { listNames } from "../../show.js";
import type { FileArray } from "../array.js";
import { FileError, fromSystem } from "../error.js";
import { type Members, readMembers } from "../members.js";
import { openRegularSync, readAt, readAtSync, readIntoSync, withRegular } from "../open.js";
import { NeedsMore } from "./beginning.js";
import { dequantize } from "./dequantize.js";
import { type Gguf, type GgufPart, type GgufSource, type GgufTensor, parseGguf } from "./header.js";
import { emptyPacked, type Packed, type Packing, pack, packInto } from "./pack.js";

export type { Gguf, GgufPart, GgufSource, GgufTensor } from "./header.js";
export { parseGguf } from "./header.js";
export type { GgufKind } from "./kinds.js";
export type { GgufValue } from "./metadata.js";

/** What is read of a file first; headers with a vocabulary are longer. */
const FIRST_READ = 2 ** 20;

/** Reads the header of a GGUF file, and checks it against the file's length. Reads no tensor. */
export async function openGguf(path: string): Promise<Gguf> {
  return await withRegular(path, "read", async (file) => {
    const { size } = await file.stat();
    for (let length = FIRST_READ; ; length *= 4) {
      const bytes = await readAt(file, 0, Math.min(length, size), path);
      const gguf = parsed(bytes, size, path);
      if (gguf !== undefined) return gguf;
    }
  });
}

/** As {@link openGguf}, at once. */
export function openGgufSync(path: string): Gguf {
  return withFileSync(path, (file) => {
    const { size } = fstatSync(file);
    for (let length = FIRST_READ; ; length *= 4) {
      const gguf = parsed(readAtSync(file, 0, Math.min(length, size), path), size, path);
      if (gguf !== undefined) return gguf;
    }
  });
}

/** Returns nothing where the header is longer. */
function parsed(bytes: Uint8Array, size: number, path: string): Gguf | undefined {
  try {
    return parseGguf(bytes, size, path);
  } catch (error) {
    if (error instanceof NeedsMore && bytes.length < size) return undefined;
    throw error;
  }
}

/** Reads one tensor of an opened file. @throws FileError */
export async function readGgufTensor(opened: Gguf, name: string): Promise<FileArray> {
  const tensor = findTensor(opened, name);
  const parts = await withRegular(opened.path, "read", (file) => readSource(file, opened, tensor));
  return { type: tensor.type, bytes: parts[tensor.part] as Uint8Array };
}

/** Reads all tensors, each part of the file once. One that cannot be used throws when it is asked for. */
export async function readGguf(path: string): Promise<Members<FileArray>> {
  const opened = await openGguf(path);
  return await withRegular(path, "read", (file) => {
    let last: { source: GgufSource; parts: GgufParts } | undefined;
    return readMembers(opened.tensors.keys(), async (name) => {
      const tensor = findTensor(opened, name);
      const { source, type, part } = tensor;
      // The parts of a packed tensor follow each other.
      if (last?.source !== source) {
        last = { source, parts: await readSource(file, opened, tensor) };
      }
      return { type, bytes: last.parts[part] as Uint8Array };
    });
  });
}

/** The bytes of what a tensor of a file is read as, row by row, little-endian. */
export type GgufParts = Readonly<Partial<Record<GgufPart, Uint8Array>>>;

/** Reads a tensor of a file at once, with all its parts. @throws FileError */
export function readGgufSourceSync(path: string, source: GgufSource): GgufParts {
  const { offset, byteLength, kind } = source;
  return withFileSync(path, (file) =>
    "packing" in kind.reading
      ? packSync(kind.reading.packing, source, (at, piece) => readIntoSync(file, at, piece, path))
      : decode(source, readAtSync(file, offset, byteLength, path)),
  );
}

/** Packs a tensor piece by piece: what is read stays in the cache, and takes no memory beside the result. */
function packSync(
  packing: Packing,
  { offset, byteLength }: GgufSource,
  read: (at: number, piece: Uint8Array) => void,
): GgufParts {
  const count = byteLength / packing.bytes;
  const atOnce = Math.min(count, Math.ceil(PIECE / packing.bytes));
  const piece = new Uint8Array(atOnce * packing.bytes);
  const packed = emptyPacked(packing, count);
  for (let first = 0; first < count; first += atOnce) {
    const blocks = piece.subarray(0, Math.min(atOnce, count - first) * packing.bytes);
    read(offset + first * packing.bytes, blocks);
    packInto(packed, packing, blocks, first);
  }
  return partsOf(packed);
}

/** Bytes that are read at once. */
const PIECE = 2 ** 18;

function findTensor(opened: Gguf, name: string): GgufTensor {
  const tensor = opened.tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new FileError(
    "file_missing",
    opened.path,
    `it has no tensor "${name}"`,
    `one of ${listNames([...opened.tensors.keys()], name)}`,
  );
}

async function readSource(
  file: FileHandle,
  { path }: Gguf,
  { source }: GgufTensor,
): Promise<GgufParts> {
  return decode(source, await readAt(file, source.offset, source.byteLength, path));
}

function decode({ kind }: GgufSource, bytes: Uint8Array): GgufParts {
  const { reading, elements } = kind;
  if ("dtype" in reading) return { values: bytes };
  if ("dequantize" in reading) {
    const block = reading.dequantize;
    return { values: bytesOf(dequantize(bytes, { elements, bytes: kind.bytes, block })) };
  }
  return partsOf(pack(reading.packing, bytes));
}

function partsOf({ weight, scales, biases }: Packed): GgufParts {
  return { weight, scales: bytesOf(scales), biases: bytesOf(biases) };
}

function bytesOf(halves: Uint16Array): Uint8Array {
  return new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
}

function withFileSync<T>(path: string, work: (file: number) => T): T {
  const file = openRegularSync(path, "read");
  try {
    return work(file);
  } catch (error) {
    throw fromSystem(error, path);
  } finally {
    closeSync(file);
  }
}
