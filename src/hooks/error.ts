import { DavitError } from "../error.js";

/** A subscription that cannot be made. */
export class HookError extends DavitError {
  declare readonly code: "bad_match" | "bad_policy" | "bad_view" | "bad_handler" | "hook_unknown";

  constructor(code: HookError["code"], found: string, expected: string) {
    super(code, `${found}; expected ${expected}`, { expected });
  }
}
