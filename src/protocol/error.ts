import type { ErrorCode } from "../contract/errors.js";
import { DavitError } from "../error.js";
import { isBytes } from "../realm.js";

/** A message or frame that is wrong. */
export class ProtocolError extends DavitError {
  constructor(code: ErrorCode, message: string, expected?: string) {
    super(code, message, { expected });
  }
}

const failedRuns = new WeakMap<object, number>();

/** Notes the request of the run that failed with an error, 0 for one that is of no run; nothing where that is known. */
export function noteRun(error: unknown, request: number): void {
  if (typeof error === "object" && error !== null && !failedRuns.has(error)) {
    failedRuns.set(error, request);
  }
}

/** The request of the run that failed with an error. */
export function runOf(error: object): number | undefined {
  return failedRuns.get(error) || undefined;
}

/** Errors after which the client cannot be understood or trusted to keep its limits. */
const FATAL: ReadonlySet<string> = new Set([
  "frame_invalid",
  "hello_missing",
  "protocol_unsupported",
  "request_limit_exceeded",
  "reader_too_slow",
]);

/** Returns whether an error ends its session. */
export function isFatal(error: unknown): boolean {
  return error instanceof ProtocolError && FATAL.has(error.code);
}

/** Prints a value that a client sent, shortened, for a message. */
export function describe(value: unknown): string {
  if (isBytes(value)) return `${value.length} bytes`;
  if (typeof value === "string") return JSON.stringify(clip(value));
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : array(value);
  if (typeof value === "object" && value !== null) {
    return `a map with the keys ${clip(Object.keys(value).slice(0, 8).join(", "))}`;
  }
  return String(value);
}

function array(value: readonly unknown[]): string {
  const items = value.slice(0, 4).map((item) => (Array.isArray(item) ? "[…]" : describe(item)));
  return clip(`[${items.join(", ")}${value.length > 4 ? ", …" : ""}]`);
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
