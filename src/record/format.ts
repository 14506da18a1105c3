import { crc32 } from "node:zlib";
import { FileError } from "../files/error.js";
import type { Site } from "../hooks/site.js";
import type { TensorType } from "../tensor/dtype.js";
import { byteLength } from "../tensor/dtype.js";

/**
 * The format of recordings, which docs/record.md describes: a signature, then records of a checked prefix, a
 * header in JSON and a payload. It is written from front to back, so that it can be read up to its last whole
 * record wherever its writer died.
 */
export const SIGNATURE = Buffer.from("DAVITREC", "latin1");
/** The version of the format. */
export const VERSION = 1;
/** The bytes before a header. */
export const PREFIX_BYTES = 24;
/** The longest header: it holds a site's types or a loop path. */
export const MAX_HEADER_BYTES = 1024 * 1024;

const ALIGNMENT = 8;

/** A place in a program that fired: its site, and how many of the same title come before it. */
export interface Place {
  readonly site: number;
  readonly function: string;
  readonly node: number;
  readonly kind: Site["kind"];
  readonly name?: string;
  readonly label?: string;
  readonly types: readonly TensorType[];
  /** Sites of the program before this one that have the same title. */
  readonly ordinal: number;
}

/** The header of a record, before its payload. */
export type RecordHeader =
  | readonly ["recording", version: number]
  | readonly ["place", number: number, place: Place]
  | readonly [
      "event",
      place: number,
      run: number,
      program: number,
      seq: number,
      path: readonly number[],
    ]
  | readonly ["end", events: number];

/** A record's prefix, taken apart. */
export interface Prefix {
  readonly headerBytes: number;
  readonly headerCrc: number;
  readonly payloadBytes: number;
  readonly payloadCrc: number;
}

/** Returns the title of a place: the label, else the name, else its kind. */
export function titleOf(place: Pick<Place, "kind" | "label" | "name">): string {
  return place.label ?? place.name ?? `(${place.kind})`;
}

/** Returns the number of sites before each one that have the same title, by site. */
export function ordinals(sites: Iterable<Site>): Map<number, number> {
  const counts = new Map<string, number>();
  const found = new Map<number, number>();
  for (const site of [...sites].sort((a, b) => a.number - b.number)) {
    const title = titleOf(site);
    const count = counts.get(title) ?? 0;
    counts.set(title, count + 1);
    found.set(site.number, count);
  }
  return found;
}

/** Returns the place of each value of these types in a payload, and the payload's length. */
export function layout(types: readonly TensorType[]): { offsets: number[]; length: number } {
  let at = 0;
  const offsets = types.map((type) => {
    const offset = Math.ceil(at / ALIGNMENT) * ALIGNMENT;
    at = offset + byteLength(type);
    return offset;
  });
  return { offsets, length: at };
}

/** A record in parts, in the order in which they are written: the first is prefix and header. */
export function encodeRecord(
  header: RecordHeader,
  values: readonly Uint8Array[] = [],
): Uint8Array[] {
  const text = JSON.stringify(header);
  const start = Buffer.allocUnsafe(PREFIX_BYTES + Buffer.byteLength(text));
  start.write(text, PREFIX_BYTES);
  const parts: Uint8Array[] = [start];
  let length = 0;
  let crc = 0;
  const add = (bytes: Uint8Array) => {
    parts.push(bytes);
    length += bytes.length;
    crc = crc32(bytes, crc);
  };
  for (const value of values) {
    const gap = -length & (ALIGNMENT - 1);
    if (gap > 0) add(new Uint8Array(gap));
    add(value);
  }
  start.writeUInt32LE(start.length - PREFIX_BYTES, 0);
  start.writeUInt32LE(crc32(start.subarray(PREFIX_BYTES)), 4);
  start.writeUInt32LE(length >>> 0, 8);
  start.writeUInt32LE(Math.floor(length / 2 ** 32), 12);
  start.writeUInt32LE(crc, 16);
  start.writeUInt32LE(crc32(start.subarray(0, 20)), 20);
  return parts;
}

/** Takes a prefix apart; `at` is where it lies in the file. */
export function decodePrefix(bytes: Uint8Array, path: string, at: number): Prefix {
  const prefix = Buffer.from(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  if (prefix.readUInt32LE(20) !== crc32(prefix.subarray(0, 20))) {
    throw damaged(path, `the record at byte ${at} has a wrong checksum`, "a whole recording");
  }
  const headerBytes = prefix.readUInt32LE(0);
  const payloadBytes = prefix.readBigUInt64LE(8);
  if (headerBytes > MAX_HEADER_BYTES || payloadBytes > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw damaged(
      path,
      `the record at byte ${at} would have ${headerBytes} and ${payloadBytes} bytes`,
      `a header of at most ${MAX_HEADER_BYTES}`,
    );
  }
  return {
    headerBytes,
    headerCrc: prefix.readUInt32LE(4),
    payloadBytes: Number(payloadBytes),
    payloadCrc: prefix.readUInt32LE(16),
  };
}

/** Refuses bytes that are not those that were written. */
export function checkCrc(bytes: Uint8Array, crc: number, path: string, at: number): void {
  if (crc32(bytes) !== crc) {
    throw damaged(
      path,
      `${bytes.length} bytes at ${at} have a wrong checksum`,
      "a whole recording",
    );
  }
}

/** The error for a recording that contradicts itself. */
export function damaged(path: string, problem: string, expected: string): FileError {
  return new FileError("file_malformed", path, problem, expected);
}
