import { ATOL, RTOL } from "../record/compare.js";
import { diffRecordings } from "../record/diff.js";
import { formatDiff } from "../record/report.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";

/** `davit diff`: where two recordings first differ, and by how much. */
export const diff: Command = {
  summary: "compare two recordings: the first place where they differ, and by how much",
  help: `Usage: davit diff A B [OPTIONS]

Compares two recordings of davit run --record or of record(): run by run, events of the same label
or name in the same iteration of the same loop. Names the first place, in program order, where they
differ, then all labels that do.

  --rtol NUMBER    relative tolerance; ${RTOL}
  --atol NUMBER    absolute tolerance; ${ATOL}
  --all            list labels that are the same too
  --json           print one JSON object
  --help           this text

Two numbers are the same where |a - b| <= max(atol, rtol * max(|a|, |b|)); NaN is the same as NaN;
integers have to be equal. Exit codes: 0 the same, 1 different or unreadable, 2 called wrongly.

Example: davit diff good.rec bad.rec --rtol 1e-3`,
  options: {
    rtol: { type: "string" },
    atol: { type: "string" },
    all: { type: "boolean" },
    json: { type: "boolean" },
  },
  positionals: ["A", "B"],
  run: diffFiles,
};

async function diffFiles(args: Arguments): Promise<ExitCode> {
  const [a, b] = args.positionals as [string, string];
  const tolerance = { rtol: number(args, "rtol"), atol: number(args, "atol") };
  const found = await diffRecordings(a, b, tolerance);
  for (const { path, complete } of [found.a, found.b]) {
    if (complete) continue;
    console.error(`davit: ${path} was not closed; it is compared up to its last whole record`);
  }
  const text = args.flags.has("json")
    ? `${JSON.stringify(found, null, 2)}\n`
    : formatDiff(found, { all: args.flags.has("all") });
  process.stdout.write(text);
  return found.same ? 0 : 1;
}

function number(args: Arguments, name: string): number | undefined {
  const text = single(args, name);
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= 0 && value < Infinity)) {
    throw new UsageError(`--${name} is "${text}"; expected a number, 0 or more`);
  }
  return value;
}
