/** A value of a GGUF file's metadata, with its kind: `u32(7)`, `list("string", ["a"])`. */
export interface MetadataValue {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** A tensor of a GGUF file: its sizes outermost first, the number of its kind, its blocks. */
export interface GgufEntry {
  readonly shape: readonly number[];
  readonly kind: number;
  readonly bytes: Uint8Array;
  /** Where it is said to begin, in bytes from the first tensor; where it does begin unless given. */
  readonly offset?: number;
}

/** The parts of a GGUF file. */
export interface GgufFile {
  readonly version?: number;
  readonly metadata?: Readonly<Record<string, MetadataValue>> | [string, MetadataValue][];
  readonly tensors?: Readonly<Record<string, GgufEntry>> | [string, GgufEntry][];
  readonly alignment?: number;
}

const KINDS = {
  uint8: [0, 1, "setUint8"],
  int8: [1, 1, "setInt8"],
  uint16: [2, 2, "setUint16"],
  int16: [3, 2, "setInt16"],
  uint32: [4, 4, "setUint32"],
  int32: [5, 4, "setInt32"],
  float32: [6, 4, "setFloat32"],
  bool: [7, 1, "setUint8"],
  uint64: [10, 8, "setBigUint64"],
  int64: [11, 8, "setBigInt64"],
  float64: [12, 8, "setFloat64"],
} as const;

/** The name of a kind of metadata. */
export type MetadataKind = keyof typeof KINDS | "string";

/** A value of a kind. */
export function value(kind: MetadataKind, of: number | bigint | string): MetadataValue {
  if (kind === "string") return { kind: 8, bytes: text(String(of)) };
  const [number, length, set] = KINDS[kind];
  const bytes = new Uint8Array(length);
  (new DataView(bytes.buffer)[set] as (at: number, value: unknown, little: boolean) => void).call(
    new DataView(bytes.buffer),
    0,
    of,
    true,
  );
  return { kind: number, bytes };
}

/** A list of values of one kind. */
export function list(values: readonly MetadataValue[], kind = values[0]?.kind ?? 0): MetadataValue {
  const bytes = [u32(kind), u64(values.length), ...values.map((item) => item.bytes)];
  return { kind: 9, bytes: Buffer.concat(bytes) };
}

/** The bytes of a GGUF file, good or bad, from its parts. */
export function ggufFile({
  version = 3,
  metadata = {},
  tensors = {},
  alignment = 32,
}: GgufFile): Uint8Array {
  const keys = Array.isArray(metadata) ? metadata : Object.entries(metadata);
  const entries = Array.isArray(tensors) ? tensors : Object.entries(tensors);
  const header: Uint8Array[] = [Buffer.from("GGUF"), u32(version)];
  header.push(u64(entries.length), u64(keys.length));
  for (const [key, { kind, bytes }] of keys) header.push(text(key), u32(kind), bytes);
  const data: Uint8Array[] = [];
  let at = 0;
  for (const [name, { shape, kind, bytes, offset = at }] of entries) {
    header.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64));
    header.push(u32(kind), u64(offset));
    data.push(bytes, new Uint8Array(padding(bytes.length, alignment)));
    at += bytes.length + padding(bytes.length, alignment);
  }
  const before = Buffer.concat(header);
  return Buffer.concat([before, new Uint8Array(padding(before.length, alignment)), ...data]);
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}

function text(content: string): Uint8Array {
  const bytes = Buffer.from(content);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(number: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

function u64(number: number | bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(number));
  return bytes;
}
