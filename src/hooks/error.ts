import type { ErrorCodeOf } from "../contract/errors.js";
import { DavitError } from "../error.js";

/** A subscription that cannot be made. */
export class HookError extends DavitError {
  declare readonly code: ErrorCodeOf<"hook">;

  constructor(code: HookError["code"], found: string, expected: string) {
    super(code, `${found}; expected ${expected}`, { expected });
  }
}
