import { Decoder, Encoder } from "@msgpack/msgpack";
import { SESSION_LIMITS } from "../contract/limits.js";
import { findFault, MAX_DEPTH } from "../msgpack/structure.js";
import { ProtocolError } from "./error.js";

/** The longest header. What msgpack makes of it in memory is up to a hundred times longer. */
export const MAX_HEADER_BYTES = SESSION_LIMITS.maxHeaderBytes.default;

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

/** Refuses what the decoder should not be shown: it allocates what lengths announce. */
function checkStructure(bytes: Uint8Array): void {
  const fault = findFault(bytes);
  if (fault === undefined) return;
  switch (fault.kind) {
    case "truncated":
      throw bad(`a header of ${bytes.length} bytes ends inside a value`, "one whole msgpack array");
    case "refused":
      throw bad(
        `a header holds the msgpack byte 0x${fault.byte.toString(16)}`,
        "no extension types",
      );
    case "deep":
      throw bad("a header nests too deep", `at most ${MAX_DEPTH} levels`);
  }
}

function bad(found: string, expected: string): ProtocolError {
  return new ProtocolError("frame_invalid", `${found}; expected ${expected}`, expected);
}
