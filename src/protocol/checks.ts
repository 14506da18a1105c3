import { GRAPH_LIMITS } from "../contract/limits.js";
import { show } from "../show.js";
import {
  byteLength,
  EXPECTED_DTYPE,
  formatType,
  isDtype,
  MAX_SIZE,
  type TensorType,
} from "../tensor/dtype.js";
import { ProtocolError } from "./error.js";

/** Checks on what a client sent. Each names the place, the value and what was expected. */

const MAX_RANK = GRAPH_LIMITS.rank.default;

/** The error for a message that is not as it should be. */
export function badMessage(what: string, value: unknown, expected: string): ProtocolError {
  return new ProtocolError(
    "message_invalid",
    `${what} is ${show(value)}; expected ${expected}`,
    expected,
  );
}

/** An unsigned integer up to 2^53 - 1: ids, counts, bytes. */
export function unsigned(value: unknown, what: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw badMessage(what, value, "an integer from 0 to 2^53 - 1");
}

/** A number, but not NaN. */
export function number(value: unknown, what: string): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw badMessage(what, value, "a number");
}

/** A number above zero. */
export function positive(value: unknown, what: string, most = Number.MAX_VALUE): number {
  if (typeof value === "number" && value > 0 && value <= most) return value;
  throw badMessage(what, value, `a number above 0 and at most ${most}`);
}

/** A string. */
export function text(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw badMessage(what, value, "a string");
}

/** A boolean. */
export function bool(value: unknown, what: string): boolean {
  if (typeof value === "boolean") return value;
  throw badMessage(what, value, "true or false");
}

/** A list. */
export function list(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw badMessage(what, value, "an array");
}

/** A map with string keys; nil stands for an empty one. */
export function map(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (value === null || value === undefined) return {};
  if (typeof value === "object" && !Array.isArray(value) && !ArrayBuffer.isView(value)) {
    return value as Record<string, unknown>;
  }
  throw badMessage(what, value, "a map");
}

/** A tensor's type whose size can be computed. */
export function tensorType(value: unknown, what: string): TensorType {
  if (!Array.isArray(value) || value.length !== 2) {
    throw badMessage(what, value, "a type, [dtype, [sizes]]");
  }
  const [dtype, shape] = value as unknown[];
  if (!isDtype(dtype)) {
    throw badMessage(`the dtype of ${what}`, dtype, EXPECTED_DTYPE);
  }
  if (!Array.isArray(shape) || shape.length > MAX_RANK) {
    throw badMessage(`the shape of ${what}`, shape, `an array of at most ${MAX_RANK} sizes`);
  }
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0 || size > MAX_SIZE) {
      throw badMessage(`a size of ${what}`, size, "an integer from 0 to 2^31 - 1");
    }
  }
  const type = { dtype, shape: shape as number[] };
  if (!Number.isSafeInteger(byteLength(type))) {
    throw badMessage(`the shape of ${what}`, shape, "less than 2^53 bytes in all");
  }
  return type;
}

/** The attachment that a message refers to by index. */
export function attachment(
  value: unknown,
  attachments: readonly Uint8Array[],
  what: string,
): Uint8Array {
  const bytes = attachments[unsigned(value, what)];
  if (bytes !== undefined) return bytes;
  throw badMessage(what, value, `an attachment's index; the frame has ${attachments.length}`);
}

/** The attachment that holds a tensor of a type, of just its length. */
export function tensorBytes(
  value: unknown,
  type: TensorType,
  attachments: readonly Uint8Array[],
  what: string,
): Uint8Array {
  const bytes = attachment(value, attachments, what);
  const wanted = byteLength(type);
  if (bytes.length === wanted) return bytes;
  throw new ProtocolError(
    "length_invalid",
    `${what} has ${bytes.length} bytes; expected ${wanted} for ${formatType(type)}`,
    `${wanted} bytes`,
  );
}
