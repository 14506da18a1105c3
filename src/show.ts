import { inspect } from "node:util";
import { nearest } from "./nearest.js";
import { isBytes, isError } from "./realm.js";

/** Any value as text for a message, on one line and shortened. Never throws, whatever the value does when it is read. */
export function show(value: unknown): string {
  return shorten(json(value) ?? inspected(value));
}

/** Returns the text, or its first characters and an ellipsis where it is longer than `most`. */
export function shorten(text: string, most = 80): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** The most names that a message lists. */
const LISTED = 20;

/**
 * Returns names as a list, of many the first ones and how many there are beside. Where `wanted` is none of them, and not
 * all of them are listed, the nearest one follows.
 */
export function listNames(
  names: readonly string[],
  wanted?: string,
  write: (name: string) => string = String,
): string {
  const listed = names.slice(0, LISTED).map(write).join(", ");
  if (names.length <= LISTED) return listed;
  const guess = wanted === undefined ? undefined : nearest(wanted, names);
  const hint = guess === undefined ? "" : `; did you mean ${write(guess)}?`;
  return `${listed} and ${names.length - LISTED} more${hint}`;
}

/** Returns a value as JSON; undefined where JSON has no form for it, or where it cannot be read. */
function json(value: unknown): string | undefined {
  try {
    if (isBytes(value)) return `${value.length} bytes`;
    if (typeof value === "number" || typeof value === "bigint") return String(value);
    return JSON.stringify(value, (_key, item) => {
      if (typeof item === "bigint") return String(item);
      return isBytes(item) ? `${item.length} bytes` : item;
    });
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
