import { inspect } from "node:util";
import { isBytes, isError } from "./realm.js";

/** Any value as text for a message, on one line and shortened. Never throws, whatever the value does when it is read. */
export function show(value: unknown): string {
  const text = json(value) ?? inspected(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Returns a value as JSON; undefined where JSON has no form for it, or where it cannot be read. */
function json(value: unknown): string | undefined {
  try {
    if (isBytes(value)) return `${value.length} bytes`;
    if (typeof value === "number") return String(value);
    return JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? String(item) : item));
  } catch {
    return undefined;
  }
}

/** The fields of a thrown value. */
export interface Thrown {
  /** The `code` of an error that has one. */
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}

/** Reads what was thrown, which may be anything: null, a symbol, an object without a string form, a Proxy that throws. */
export function describeThrown(thrown: unknown): Thrown {
  try {
    if (isError(thrown)) {
      const { code, message, stack }: { code?: unknown; message: unknown; stack?: unknown } =
        thrown;
      return {
        code: typeof code === "string" ? code : undefined,
        message: typeof message === "string" ? message : inspected(message),
        stack: typeof stack === "string" ? stack : undefined,
      };
    }
  } catch {
    // Its prototype or its properties cannot be read.
  }
  const message = typeof thrown === "string" ? thrown : inspected(thrown);
  return { code: undefined, message, stack: undefined };
}

/** As `inspect`, which reads the target of a Proxy and calls no getters. */
function inspected(value: unknown): string {
  try {
    return inspect(value, {
      depth: 2,
      breakLength: Number.POSITIVE_INFINITY,
      customInspect: false,
    });
  } catch {
    return "a value that cannot be shown";
  }
}
