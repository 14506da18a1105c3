import type { ErrorCode } from "../contract/errors.js";
import { DavitError } from "../error.js";

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
