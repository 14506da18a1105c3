import type { ServerOptions } from "../server/connection.js";
import { type Arguments, type Options, single, UsageError } from "./command.js";
import { bytesOption, ENGINE_HELP, ENGINE_OPTIONS } from "./engine-options.js";

/** Options of every command that serves clients. */
export const SERVER_OPTIONS = {
  ...ENGINE_OPTIONS,
  "busy-wait": { type: "string" },
  "session-memory": { type: "string" },
  "no-attach": { type: "boolean" },
} as const satisfies Options;

/** Their help. */
export const SERVER_HELP = `\
${ENGINE_HELP}
  --busy-wait MICROSECONDS    stay awake so long after an answer for a prompt client; 200, 0 for never
  --session-memory BYTES      what the tensors of one client may have, with K, M or G for KiB, MiB, GiB; not limited by default
  --no-attach                 be in no list of davit ps: no other process can watch this engine`;

/** The options of serving, apart from the engine's own. */
export function serverOptions(args: Arguments): ServerOptions {
  const tensorBytes = bytesOption(args, "session-memory");
  const given = {
    ...(args.flags.has("no-attach") && { attachable: false }),
    ...(tensorBytes !== undefined && { limits: { tensorBytes } }),
  };
  const text = single(args, "busy-wait");
  if (text === undefined) return given;
  if (!/^\d{1,9}$/.test(text)) {
    throw new UsageError(`--busy-wait is "${text}"; expected a number of microseconds`);
  }
  return { ...given, busyWait: Number(text) };
}
