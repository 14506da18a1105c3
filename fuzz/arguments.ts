import { parseArgs } from "node:util";
import { isOp } from "../src/graph/ops/index.js";
import { nearest } from "../src/nearest.js";

/** What the command line asks for. */
export interface FuzzOptions {
  readonly help: boolean;
  readonly campaigns: readonly string[];
  /** For how long; Infinity where a number of cases is given instead. */
  readonly seconds: number;
  readonly cases: number;
  readonly seed: number;
  /** Seconds that a case may take. */
  readonly budget: number;
  /** Ops that no graph is drawn with. */
  readonly without: readonly string[];
}

/** A command line that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  seconds: { type: "string" },
  cases: { type: "string" },
  seed: { type: "string" },
  budget: { type: "string" },
  without: { type: "string" },
} as const;

const DEFAULT_SECONDS = 60;
const DEFAULT_BUDGET = 30;

/**
 * Reads a command line. Without names all campaigns are meant.
 * @throws UsageError that names what is wrong
 */
export function parseOptions(
  argv: readonly string[],
  known: readonly string[],
  now: number,
): FuzzOptions {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsed;
  for (const name of positionals) if (!known.includes(name)) throw unknown(name, known);
  const cases = amount("cases", values.cases) ?? Number.POSITIVE_INFINITY;
  const forever = Number.isFinite(cases) ? Number.POSITIVE_INFINITY : DEFAULT_SECONDS;
  return {
    help: values.help === true,
    campaigns:
      positionals.length === 0 ? known : known.filter((name) => positionals.includes(name)),
    seconds: amount("seconds", values.seconds) ?? forever,
    cases,
    seed: amount("seed", values.seed, 0) ?? now % 2 ** 31,
    budget: amount("budget", values.budget) ?? DEFAULT_BUDGET,
    without: operations(values.without),
  };
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
}

function amount(name: string, text: string | undefined, least = 1): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError(
    `--${name} is ${JSON.stringify(text)}; expected an integer, at least ${least}`,
  );
}

function operations(text: string | undefined): string[] {
  const names = text?.split(",") ?? [];
  for (const name of names)
    if (!isOp(name)) throw new UsageError(`--without: there is no op ${name}`);
  return names;
}

function unknown(name: string, known: readonly string[]): UsageError {
  const suggestion = nearest(name, known);
  const hint =
    suggestion === undefined ? `one of ${known.join(", ")}` : `did you mean ${suggestion}?`;
  return new UsageError(`there is no campaign ${name}; ${hint}`);
}
