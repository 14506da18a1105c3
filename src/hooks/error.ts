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
