/** A subscription that cannot be made: `bad_match`, `bad_policy` or `bad_view`. */
export class HookError extends Error {
  override readonly name = "HookError";

  constructor(
    readonly code: "bad_match" | "bad_policy" | "bad_view" | "bad_handler",
    found: string,
    readonly expected: string,
  ) {
    super(`${found}; expected ${expected}`);
  }
}

/** Prints a value that somebody gave, shortened, for a message. */
export function show(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // Not JSON: a bigint or a cycle.
  }
  text ??= String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
