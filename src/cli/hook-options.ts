import type { Arguments, Options } from "./command.js";

/** Options of commands that watch hooks and labelled nodes. */
export const HOOK_OPTIONS = {
  hook: { type: "string", multiple: true },
  probe: { type: "string", multiple: true },
  values: { type: "boolean" },
  record: { type: "string" },
} as const satisfies Options;

/** Returns the matches of --hook and --probe, in this order. */
export function hookMatches(args: Arguments): ({ label: string } | { probe: string })[] {
  return [
    ...(args.values.get("hook") ?? []).map((label) => ({ label })),
    ...(args.values.get("probe") ?? []).map((probe) => ({ probe })),
  ];
}
