import { Decoder, Encoder } from "@msgpack/msgpack";
import { ProtocolError } from "./error.js";

/** The longest header. What msgpack makes of it in memory is up to a hundred times longer. */
export const MAX_HEADER_BYTES = 1024 * 1024;
/** The deepest nesting of arrays and maps in a header. */
const MAX_DEPTH = 16;

const encoder = new Encoder({ ignoreUndefined: true, maxDepth: 2 * MAX_DEPTH });
const decoder = new Decoder({
  mapKeyConverter: (key) => {
    if (typeof key === "string") return key;
    throw bad(`a map's key is ${typeof key}`, "a string");
  },
});

/** Encodes a header. The bytes are good until the next call. */
export function encodeHeader(message: readonly unknown[]): Uint8Array {
  return encoder.encodeSharedRef(message);
}

/** Headers up to this length are kept where they may come again, and so many of them. */
const KEPT_BYTES = 256;
const KEPT_HEADERS = 256;

const kept = new Map<string, readonly unknown[]>();

/**
 * Decodes a header: an array that begins with the message's type. Runs that bring their operands along and take
 * their results home have the same header time after time, which is decoded once.
 * @throws ProtocolError `frame_invalid` where it is anything else.
 */
export function decodeHeader(bytes: Uint8Array): readonly unknown[] {
  if (bytes.length > KEPT_BYTES || !(bytes instanceof Buffer)) return decode(bytes);
  const key = bytes.toString("latin1");
  const known = kept.get(key);
  if (known !== undefined) return known;
  const message = decode(bytes);
  if (!maySeeAgain(message)) return message;
  if (kept.size >= KEPT_HEADERS) kept.clear();
  // What is kept must not be a view of a frame.
  const own = decode(Uint8Array.from(bytes));
  kept.set(key, own);
  return own;
}

/** Ids of tensors are never used again, so only a run without them has a header that another may have. */
function maySeeAgain([type, , , inputs, outputs]: readonly unknown[]): boolean {
  return (
    type === "run" &&
    Array.isArray(inputs) &&
    Array.isArray(outputs) &&
    inputs.every(Array.isArray) &&
    outputs.every((id) => id === null)
  );
}

function decode(bytes: Uint8Array): unknown[] {
  if (bytes.length > MAX_HEADER_BYTES) {
    throw bad(`a header has ${bytes.length} bytes`, `at most ${MAX_HEADER_BYTES}`);
  }
  checkStructure(bytes);
  let message: unknown;
  try {
    message = decoder.decode(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    throw bad(`a header does not decode: ${(error as Error).message}`, "one msgpack array");
  }
  if (!Array.isArray(message) || typeof message[0] !== "string") {
    throw bad("a header is not an array that begins with a string", "[type, ...arguments]");
  }
  return message;
}

const open = new Float64Array(MAX_DEPTH);

/**
 * Checks lengths and depth before anything is allocated: five bytes can ask the decoder for an array
 * of four thousand million items, and each nested one again. An item has one byte at least, so the
 * items still owed can never be more than the bytes left.
 */
function checkStructure(bytes: Uint8Array): void {
  const end = bytes.length;
  let position = 0;
  let depth = 0;
  let missing = 1;
  let owed = 1;
  while (missing > 0) {
    if (owed > end - position) throw truncated(end);
    missing--;
    owed--;
    const byte = bytes[position++] as number;
    const shape = SHAPES[byte] as Shape;
    let size = shape.size;
    if (shape.lengthBytes > 0) {
      if (shape.lengthBytes > end - position) throw truncated(end);
      for (let index = 0; index < shape.lengthBytes; index++) {
        size = size * 256 + (bytes[position++] as number);
      }
    }
    if (shape.kind === "bytes") {
      position += size;
    } else if (shape.kind === "refused") {
      throw bad(`a header holds the msgpack byte 0x${byte.toString(16)}`, "no extension types");
    } else if (size > 0) {
      if (depth === MAX_DEPTH) throw bad("a header nests too deep", `at most ${MAX_DEPTH} levels`);
      open[depth++] = missing;
      missing = shape.kind === "pairs" ? 2 * size : size;
      owed += missing;
    }
    while (missing === 0 && depth > 0) missing = open[--depth] as number;
  }
  if (position > end) throw truncated(end);
}

/** How a msgpack item goes on after its first byte: `lengthBytes` that say its size, or `size` itself. */
interface Shape {
  readonly kind: "bytes" | "items" | "pairs" | "refused";
  readonly size: number;
  readonly lengthBytes: number;
}

const shape = (kind: Shape["kind"], size: number, lengthBytes = 0): Shape => ({
  kind,
  size,
  lengthBytes,
});

/** The first bytes 0xc0 to 0xdf: nil, booleans, binaries, extensions, numbers, strings, arrays, maps. */
const MIDDLE: readonly Shape[] = [
  ...[shape("bytes", 0), shape("refused", 0), shape("bytes", 0), shape("bytes", 0)],
  ...[1, 2, 4].map((lengthBytes) => shape("bytes", 0, lengthBytes)),
  ...[1, 2, 3].map(() => shape("refused", 0)),
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8].map((size) => shape("bytes", size)),
  ...[1, 2, 3, 4, 5].map(() => shape("refused", 0)),
  ...[1, 2, 4].map((lengthBytes) => shape("bytes", 0, lengthBytes)),
  ...[2, 4].map((lengthBytes) => shape("items", 0, lengthBytes)),
  ...[2, 4].map((lengthBytes) => shape("pairs", 0, lengthBytes)),
];

const SHAPES: readonly Shape[] = Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x80 || byte >= 0xe0) return shape("bytes", 0);
  if (byte < 0x90) return shape("pairs", byte & 15);
  if (byte < 0xa0) return shape("items", byte & 15);
  if (byte < 0xc0) return shape("bytes", byte & 31);
  return MIDDLE[byte - 0xc0] as Shape;
});

function truncated(end: number): ProtocolError {
  return bad(`a header of ${end} bytes ends inside a value`, "one whole msgpack array");
}

function bad(found: string, expected: string): ProtocolError {
  return new ProtocolError("frame_invalid", `${found}; expected ${expected}`, expected);
}
