import { defaultLimits, type LimitsOf, SESSION_LIMITS } from "../contract/limits.js";

/** The limits of what a session may hold and send; `src/contract/limits.ts` documents each. All are told to the client in the answer to `hello`. */
export interface Limits extends Omit<LimitsOf<typeof SESSION_LIMITS>, "maxHeaderBytes"> {}

const DEFAULTS = defaultLimits(SESSION_LIMITS);

/** The defaults. */
export const DEFAULT_LIMITS: Limits = DEFAULTS;

/** The limits as `hello` answers them. */
export function wireLimits(limits: Limits): Record<string, number> {
  // The length of a header is no option.
  const all = { ...DEFAULTS, ...limits };
  const names = Object.keys(SESSION_LIMITS) as (keyof typeof SESSION_LIMITS)[];
  return Object.fromEntries(names.map((name) => [SESSION_LIMITS[name].wire, all[name]]));
}
