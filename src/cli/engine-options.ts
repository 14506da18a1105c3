import type { EngineOptions } from "../engine/options.js";
import { type Arguments, type Options, single, UsageError } from "./command.js";

/** Options of every command that starts an engine. */
export const ENGINE_OPTIONS = {
  device: { type: "string" },
  lanes: { type: "string" },
  "memory-limit": { type: "string" },
} as const satisfies Options;

/** Their help. */
export const ENGINE_HELP = `\
  --device cpu|gpu            where to run; the GPU where there is one
  --lanes N                   threads that compute; one a core
  --memory-limit BYTES        when allocations fail, with K, M or G for KiB, MiB, GiB; 80% of memory`;

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Returns the engine's options of a command line. */
export function engineOptions(args: Arguments): EngineOptions {
  const device = single(args, "device");
  if (device !== undefined && device !== "cpu" && device !== "gpu") {
    throw new UsageError(`--device is "${device}"; expected cpu or gpu`);
  }
  const lanes = number(args, "lanes", /^(\d{1,9})()$/, "a number");
  const memoryLimit = bytesOption(args, "memory-limit");
  return {
    ...(device !== undefined && { device }),
    ...(lanes !== undefined && { lanes }),
    ...(memoryLimit !== undefined && { memoryLimit }),
  };
}

/** Returns an option that is a number of bytes. */
export function bytesOption(args: Arguments, name: string): number | undefined {
  return number(args, name, /^(\d{1,15})([KMG]?)$/, "such as 4G");
}

function number(args: Arguments, name: string, form: RegExp, expected: string): number | undefined {
  const text = single(args, name);
  if (text === undefined) return undefined;
  const [, digits, unit] = form.exec(text) ?? [];
  if (digits === undefined) throw new UsageError(`--${name} is "${text}"; expected ${expected}`);
  return Number(digits) * (UNITS[unit ?? ""] as number);
}
