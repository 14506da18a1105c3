/** A subscription that cannot be made. */
export class HookError extends Error {
  override readonly name = "HookError";

  constructor(
    readonly code: "bad_match" | "bad_policy" | "bad_view" | "bad_handler" | "hook_unknown",
    found: string,
    readonly expected: string,
  ) {
    super(`${found}; expected ${expected}`);
  }
}
