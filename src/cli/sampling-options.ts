import type { GenerateOptions } from "../models/index.js";
import { type Arguments, type Options, single, UsageError } from "./command.js";

/** The options of commands that generate text. */
export const SAMPLING_OPTIONS = {
  "max-tokens": { type: "string" },
  temperature: { type: "string" },
  "top-p": { type: "string" },
  "top-k": { type: "string" },
  "repetition-penalty": { type: "string" },
  seed: { type: "string" },
  stop: { type: "string", multiple: true },
} as const satisfies Options;

/** Their help. */
export const SAMPLING_HELP = `  --max-tokens N              at most so many tokens; by default as many as the model's context holds
  --temperature T             0 takes the likeliest token each time (the default); 0.7 varies, 1 varies more
  --top-p P                   choose among the likeliest tokens that have this probability together
  --top-k K                   choose among the K likeliest tokens
  --repetition-penalty R      above 1: tokens that were there already become less likely
  --seed S                    a whole number: the same one chooses the same tokens
  --stop TEXT                 end before this text; may be repeated`;

/** Reads the options of commands that generate text. Ranges are checked where they are used. */
export function samplingOptions(args: Arguments): GenerateOptions {
  const number = (name: keyof typeof SAMPLING_OPTIONS): number | undefined => {
    const text = single(args, name);
    if (text === undefined) return undefined;
    if (text.trim() === "" || Number.isNaN(Number(text))) {
      throw new UsageError(`--${name} is "${text}"; expected a number`);
    }
    return Number(text);
  };
  const given = {
    maxTokens: number("max-tokens"),
    temperature: number("temperature"),
    topP: number("top-p"),
    topK: number("top-k"),
    repetitionPenalty: number("repetition-penalty"),
    seed: number("seed"),
    stop: args.values.get("stop"),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
