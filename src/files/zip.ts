import { crc32, inflateRawSync } from "node:zlib";
import { FileError } from "./error.js";

/**
 * Reads zip archives. A reader of our own, because fflate, which writes them for us, checks neither
 * checksums nor ranges: a damaged or hostile archive would result in wrong numbers or exhaust memory.
 */

/** One file of an archive. */
interface Member {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly header: number;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const NEXT32 = 0xffffffff;

/**
 * Takes an archive apart: stored and deflated members, zip64, checksums and lengths checked. A member is unpacked each
 * time that it is asked for; one that is damaged throws then. Folders are left out.
 */
export function unzip(
  file: Uint8Array,
  path: string,
  maxBytes: number,
): Map<string, () => Uint8Array> {
  const reader = new Reader(file, path);
  const members = centralDirectory(reader);
  const total = members.reduce((sum, member) => sum + member.size, 0);
  if (total > maxBytes) {
    throw new FileError(
      "file_too_large",
      path,
      `its members are ${total} bytes unpacked`,
      `at most ${maxBytes}`,
    );
  }
  const contents = new Map<string, () => Uint8Array>();
  let end = 0;
  for (const member of members.toSorted((a, b) => a.header - b.header)) {
    // Members that share bytes are how a small archive unpacks to a huge one.
    if (member.header < end) throw reader.malformed(`its member "${member.name}" overlaps another`);
    if (contents.has(member.name)) throw reader.malformed(`it has "${member.name}" twice`);
    const data = packedBytes(reader, member);
    end = data.end;
    if (member.name.endsWith("/") && member.size === 0) continue;
    contents.set(member.name, () => unpack(data.bytes, member, path));
  }
  return contents;
}

/** Reads little-endian numbers with bounds checks. */
class Reader {
  readonly #view: DataView;

  constructor(
    readonly file: Uint8Array,
    readonly path: string,
  ) {
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  }

  u16(at: number): number {
    this.bytes(at, 2);
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    this.bytes(at, 4);
    return this.#view.getUint32(at, true);
  }

  u64(at: number): number {
    this.bytes(at, 8);
    return Number(this.#view.getBigUint64(at, true));
  }

  bytes(at: number, length: number): Uint8Array {
    if (at < 0 || at + length > this.file.length) {
      throw new FileError(
        "file_truncated",
        this.path,
        `it ends at byte ${this.file.length}`,
        `${length} bytes from byte ${at}`,
      );
    }
    return this.file.subarray(at, at + length);
  }

  malformed(problem: string): FileError {
    return new FileError("file_malformed", this.path, problem, "a zip archive of .npy files");
  }
}

function centralDirectory(reader: Reader): Member[] {
  let { count, at } = endRecord(reader);
  const members: Member[] = [];
  for (; count > 0; count--) {
    if (reader.u32(at) !== CENTRAL) throw reader.malformed("its directory is damaged");
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((o) => reader.u16(at + o)) as [
      number,
      number,
      number,
    ];
    const name = new TextDecoder().decode(reader.bytes(at + 46, nameBytes));
    const wide = zip64Sizes(reader, at + 46 + nameBytes, extraBytes);
    const sizeAt = (offset: number) => {
      const value = reader.u32(at + offset);
      return value === NEXT32 ? wide(name) : value;
    };
    // The order is the one in which zip64 lists the values that do not fit.
    const size = sizeAt(24);
    const packed = sizeAt(20);
    const header = sizeAt(42);
    const flags = reader.u16(at + 8);
    members.push({
      name,
      flags,
      method: reader.u16(at + 10),
      crc: reader.u32(at + 16),
      packed,
      size,
      header,
    });
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return members;
}

function endRecord(reader: Reader): { count: number; at: number } {
  const last = reader.file.length - 22;
  const first = Math.max(0, last - 0xffff); // a comment may follow it
  for (let end = last; end >= first; end--) {
    if (reader.u32(end) !== END) continue;
    if (end >= 20 && reader.u32(end - 20) === LOCATOR64) {
      const end64 = reader.u64(end - 12);
      if (reader.u32(end64) !== END64) throw reader.malformed("its zip64 record is damaged");
      return { count: reader.u64(end64 + 32), at: reader.u64(end64 + 48) };
    }
    return { count: reader.u16(end + 10), at: reader.u32(end + 16) };
  }
  throw reader.malformed("it has no zip directory");
}

/** Gives the 64-bit values of a member's extra fields one after the other. */
function zip64Sizes(reader: Reader, from: number, length: number): (member: string) => number {
  const end = from + length;
  let next = end;
  let stop = end;
  for (let at = from; at + 4 <= end; at += 4 + reader.u16(at + 2)) {
    if (reader.u16(at) === 1) {
      next = at + 4;
      stop = Math.min(end, next + reader.u16(at + 2));
      break;
    }
  }
  return (member) => {
    if (next + 8 > stop) throw reader.malformed(`the sizes of "${member}" are missing`);
    next += 8;
    return reader.u64(next - 8);
  };
}

function packedBytes(reader: Reader, member: Member): { bytes: Uint8Array; end: number } {
  if (reader.u32(member.header) !== LOCAL) {
    throw reader.malformed(`its member "${member.name}" is not where the directory says`);
  }
  const start =
    member.header + 30 + reader.u16(member.header + 26) + reader.u16(member.header + 28);
  return { bytes: reader.bytes(start, member.packed), end: start + member.packed };
}

function unpack(packed: Uint8Array, member: Member, path: string): Uint8Array {
  const refused = (problem: string, expected: string, options?: ErrorOptions) =>
    new FileError("file_malformed", `${path}:${member.name}`, problem, expected, options);
  if (member.flags & 1) throw refused("it is encrypted", "a plain member");
  let bytes: Uint8Array;
  if (member.method === 0) {
    bytes = packed;
  } else if (member.method === 8) {
    try {
      bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, member.size) });
    } catch (error) {
      const cause = error instanceof Error ? error : undefined;
      const reason = cause === undefined ? "" : `: ${cause.message}`;
      throw refused(`it does not unpack${reason}`, `${member.size} bytes`, { cause });
    }
  } else {
    throw refused(`compression method ${member.method}`, "0 (stored) or 8 (deflated)");
  }
  if (bytes.length !== member.size) {
    throw refused(`it unpacks to ${bytes.length} bytes`, `${member.size} bytes`);
  }
  const crc = crc32(bytes);
  if (crc !== member.crc) {
    throw refused(`its checksum is ${hex(crc)}; it is damaged`, hex(member.crc));
  }
  return bytes;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
