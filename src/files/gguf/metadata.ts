import type { Cursor } from "../cursor.js";
import { FileError } from "../error.js";

/** A value of a file's metadata. 64-bit integers are numbers where a number holds them exactly, else bigints. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** A kind of value: the fewest bytes that one takes, and how it is read. */
interface ValueKind {
  readonly bytes: number;
  readonly read: (cursor: Cursor, depth: number) => GgufValue;
}

/** Lists in lists: more than files have, and few enough for the stack. */
const MAX_DEPTH = 8;

/** The kinds of values, by their numbers in the file. */
const KINDS: readonly ValueKind[] = [
  { bytes: 1, read: (cursor) => cursor.uint8() },
  { bytes: 1, read: (cursor) => cursor.int8() },
  { bytes: 2, read: (cursor) => cursor.uint16() },
  { bytes: 2, read: (cursor) => cursor.int16() },
  { bytes: 4, read: (cursor) => cursor.uint32() },
  { bytes: 4, read: (cursor) => cursor.int32() },
  { bytes: 4, read: (cursor) => cursor.float32() },
  { bytes: 1, read: (cursor) => cursor.uint8() !== 0 },
  { bytes: 8, read: (cursor) => cursor.text() },
  { bytes: 12, read: readList },
  { bytes: 8, read: (cursor) => integer(cursor.uint64()) },
  { bytes: 8, read: (cursor) => integer(cursor.int64()) },
  { bytes: 8, read: (cursor) => cursor.float64() },
];

/** Reads the metadata of a file. */
export function readMetadata(cursor: Cursor, count: number): ReadonlyMap<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < count; index++) {
    const key = cursor.text();
    if (metadata.has(key)) {
      const problem = `its metadata has ${JSON.stringify(key)} twice`;
      throw new FileError("file_malformed", cursor.path, problem, "every key once");
    }
    metadata.set(key, readKind(cursor).read(cursor, 0));
  }
  return metadata;
}

function readKind(cursor: Cursor): ValueKind {
  const number = cursor.uint32();
  const kind = KINDS[number];
  if (kind !== undefined) return kind;
  throw new FileError(
    "file_malformed",
    cursor.path,
    `its metadata has a value of kind ${number} at byte ${cursor.offset - 4}`,
    `a kind from 0 to ${KINDS.length - 1}`,
  );
}

function readList(cursor: Cursor, depth: number): GgufValue[] {
  if (depth === MAX_DEPTH) {
    const problem = `its metadata has lists in lists, ${MAX_DEPTH + 1} deep`;
    throw new FileError("file_malformed", cursor.path, problem, `at most ${MAX_DEPTH}`);
  }
  const { bytes, read } = readKind(cursor);
  const count = cursor.count("elements of a list", bytes);
  const list: GgufValue[] = [];
  for (let index = 0; index < count; index++) list.push(read(cursor, depth + 1));
  return list;
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
