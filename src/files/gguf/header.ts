import type { TensorType } from "../../tensor/dtype.js";
import { checkedByteLength } from "../array.js";
import type { Cursor } from "../cursor.js";
import { FileError } from "../error.js";
import { Members } from "../members.js";
import { Beginning } from "./beginning.js";
import { type GgufKind, KINDS, kindName } from "./kinds.js";
import { type GgufValue, readMetadata } from "./metadata.js";
import { GROUP } from "./pack.js";

/** A tensor as the file has it. */
export interface GgufSource {
  /** The name of the tensor. */
  readonly name: string;
  /** The kind of its elements. */
  readonly kind: GgufKind;
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** The bytes that it has in the file. */
  readonly byteLength: number;
}

/** A part of a tensor of the file: all of it, or of a packed one the weight, its scales or its biases. */
export type GgufPart = "values" | "weight" | "scales" | "biases";

/** A tensor as it is read. */
export interface GgufTensor {
  /** Its type once it is read. */
  readonly type: TensorType;
  /** Which part of the tensor of the file it is. */
  readonly part: GgufPart;
  /** The tensor of the file that it is read from. */
  readonly source: GgufSource;
}

/** The header of a GGUF file; the tensors stay in the file. */
export interface Gguf {
  /** The path of the file. */
  readonly path: string;
  /** The version of the format. */
  readonly version: number;
  /** What the file says of the model, its tokenizer among it, by key. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /**
   * The tensors, by the names that `mx.load` of MLX has for them: of a packed tensor `x.weight` there are also `x.scales` and `x.biases`. One of a
   * kind that is not known throws when it is asked for.
   */
  readonly tensors: Members<GgufTensor>;
}

const MAGIC = 0x46554747; // "GGUF"
const VERSIONS: readonly number[] = [2, 3];
const MAX_RANK = 4;
/** Bytes of the shortest entry: a key, a kind and a value; a name, a rank, a kind and an offset. */
const LEAST_METADATA = 13;
const LEAST_TENSOR = 24;
const DEFAULT_ALIGNMENT = 32;

/**
 * Parses the beginning of a file, and checks that every tensor lies in the file.
 * @throws FileError; `NeedsMore` where the header is longer than `bytes`
 */
export function parseGguf(bytes: Uint8Array, fileSize: number, path: string): Gguf {
  const cursor = new Beginning(bytes, fileSize, path);
  const version = readVersion(cursor);
  const tensorCount = cursor.count("tensors", LEAST_TENSOR);
  const metadata = readMetadata(cursor, cursor.count("keys", LEAST_METADATA));
  const alignment = alignmentOf(metadata, path);
  const entries = Array.from({ length: tensorCount }, () => readEntry(cursor));
  const start = Math.ceil(cursor.offset / alignment) * alignment;
  const tensors = new Map<string, () => GgufTensor>();
  const add = (name: string, read: () => GgufTensor) => {
    if (tensors.has(name)) {
      const problem = `it has two tensors named ${JSON.stringify(name)}`;
      throw new FileError("file_malformed", path, problem, "every name once");
    }
    tensors.set(name, read);
  };
  for (const entry of entries) {
    if (entry.offset % alignment !== 0) {
      const problem = `it starts at byte ${entry.offset} of the tensors`;
      const expected = `a multiple of ${alignment}`;
      throw new FileError("file_malformed", `${path}:${entry.name}`, problem, expected);
    }
    const place = { fileSize, start, path: `${path}:${entry.name}` };
    try {
      for (const tensor of readings(entry, place)) add(nameOf(tensor), () => tensor);
    } catch (error) {
      if (!(error instanceof UnusableMember)) throw error;
      add(entry.name, () => {
        throw error.cause;
      });
    }
  }
  return { path, version, metadata, tensors: new Members(tensors) };
}

function readVersion(cursor: Cursor): number {
  const magic = cursor.uint32();
  if (magic !== MAGIC) {
    throw new FileError(
      "file_malformed",
      cursor.path,
      "it is no GGUF file",
      "the bytes GGUF first",
    );
  }
  const version = cursor.uint32();
  if (VERSIONS.includes(version)) return version;
  const swapped = VERSIONS.includes(version >>> 24) && (version & 0xffffff) === 0;
  throw new FileError(
    "file_malformed",
    cursor.path,
    swapped ? "its numbers are big-endian" : `version ${version} is unknown`,
    swapped ? "a little-endian file" : `version ${VERSIONS.join(" or ")}`,
  );
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, path: string): number {
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof alignment === "number" && Number.isInteger(alignment) && alignment > 0) {
    if (alignment % 8 === 0 && alignment < 2 ** 31) return alignment;
  }
  const problem = `general.alignment is ${JSON.stringify(String(alignment))}`;
  throw new FileError("file_malformed", path, problem, "a multiple of 8");
}

/** What the header says of a tensor. */
interface Entry {
  readonly name: string;
  readonly shape: readonly bigint[];
  readonly kind: number;
  /** Bytes from the start of the tensors. */
  readonly offset: number;
}

function readEntry(cursor: Cursor): Entry {
  const name = cursor.text();
  const rank = cursor.uint32();
  if (rank > MAX_RANK) {
    const problem = `it has ${rank} axes`;
    throw new FileError("file_malformed", `${cursor.path}:${name}`, problem, `at most ${MAX_RANK}`);
  }
  // The innermost size comes first.
  const shape = Array.from({ length: rank }, () => cursor.uint64()).reverse();
  return { name, shape, kind: cursor.uint32(), offset: Number(cursor.uint64()) };
}

/** A member that cannot be read, which is no fault of the others; `cause` says why. */
class UnusableMember extends Error {}

/** Where an entry is: the file's length, where its tensors begin, and what messages call it. */
interface Place {
  readonly fileSize: number;
  readonly start: number;
  readonly path: string;
}

/** The tensors that an entry is read as. */
function readings(entry: Entry, { fileSize, start, path }: Place): GgufTensor[] {
  const kind = KINDS.get(entry.kind);
  if (kind === undefined) {
    const problem = `its elements are of kind ${kindName(entry.kind)}`;
    const known = [...KINDS.values()].map(({ name }) => name).join(", ");
    throw unusable(new FileError("file_dtype_unsupported", path, problem, `one of ${known}`));
  }
  const { reading, elements, bytes } = kind;
  const shape = entry.shape.map(Number);
  const dtype = "dtype" in reading ? reading.dtype : "float16";
  const type = { dtype, shape };
  checkSize(type, path);
  const row = shape.at(-1) ?? 1;
  if (row % elements !== 0) {
    const problem = `its rows have ${row} elements of kind ${kind.name}`;
    const expected = `a multiple of ${elements}`;
    throw unusable(new FileError("file_malformed", path, problem, expected));
  }
  const count = shape.reduce((product, size) => product * size, 1);
  const byteLength = (count / elements) * bytes;
  const offset = start + entry.offset;
  if (offset + byteLength > fileSize) {
    throw new FileError(
      "file_truncated",
      path,
      `the file has ${fileSize} bytes, and it would end at ${offset + byteLength}`,
      "a tensor inside the file",
    );
  }
  const source = { name: entry.name, kind, shape, offset, byteLength };
  if (!("packing" in reading)) return [{ type, part: "values", source }];
  const outer = shape.slice(0, -1);
  const words = [...outer, (row * reading.packing.bits) / 32];
  const groups = { dtype: "float16", shape: [...outer, row / GROUP] } as const;
  return [
    { type: { dtype: "uint32", shape: words }, part: "weight", source },
    { type: groups, part: "scales", source },
    { type: groups, part: "biases", source },
  ];
}

function checkSize(type: TensorType, path: string): void {
  try {
    checkedByteLength(type, path);
  } catch (error) {
    throw unusable(error);
  }
}

function unusable(cause: unknown): UnusableMember {
  return new UnusableMember("a member cannot be read", { cause });
}

/** The name of a tensor as it is read, see {@link Gguf.tensors}. */
function nameOf({ part, source: { name } }: GgufTensor): string {
  if (part === "values" || part === "weight") return name;
  return `${name.replace(/\.weight$/, "")}.${part}`;
}
