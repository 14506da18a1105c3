import type { RecordOptions } from "../record/index.js";
import { type Arguments, type Options, UsageError } from "./command.js";

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

/** Returns what is subscribed to where events are printed. */
export function hookSpecs(args: Arguments) {
  const view = args.flags.has("values") ? "full" : "summary";
  return hookMatches(args).map((match) => ({ match, view }) as const);
}

/** Returns what is recorded: everything where no --hook or --probe says what. */
export function recordOptions(args: Arguments, path: string): RecordOptions {
  const wanted = hookMatches(args);
  return wanted.length === 0 ? { path } : { path, match: wanted };
}

/** Refuses --values beside --record. @throws UsageError */
export function checkRecording(args: Arguments): void {
  if (args.values.has("record") && args.flags.has("values")) {
    throw new UsageError("--values is for printing; with --record nothing is printed");
  }
}
