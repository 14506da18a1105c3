import { parseArgs } from "node:util";
import { nearest } from "../src/nearest.js";

/** What the command line asks for. */
export interface BenchOptions {
  readonly names: readonly string[];
  readonly json: boolean;
  /** Whether the table of ops is meant: the name `ops`. */
  readonly ops: boolean;
  readonly help: boolean;
}

/** A command line that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Reads a command line; without names all figures are meant, and they keep their order.
 * @throws UsageError that names what is unknown, and what was probably meant
 */
export function parseOptions(argv: readonly string[], known: readonly string[]): BenchOptions {
  const options = {
    json: { type: "boolean" },
    peers: { type: "boolean" }, // what scripts/bench.mjs has done by now
    help: { type: "boolean", short: "h" },
  } as const;
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const flags = new Set<string>();
  const names = new Set<string>();
  for (const token of tokens) {
    if (token.kind === "positional") {
      const all = [...known, "ops"];
      if (!all.includes(token.value)) throw unknown("figure", token.value, all);
      names.add(token.value);
    } else if (token.kind === "option") {
      if (!Object.hasOwn(options, token.name)) {
        throw unknown("option", token.rawName, ["--json", "--peers", "--help"]);
      }
      if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`);
      flags.add(token.name);
    }
  }
  return {
    names: names.size === 0 ? known : known.filter((name) => names.has(name)),
    json: flags.has("json"),
    ops: names.has("ops"),
    help: flags.has("help"),
  };
}

function unknown(what: string, given: string, known: readonly string[]): UsageError {
  const suggestion = nearest(given, known);
  const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
  return new UsageError(`unknown ${what} ${given}${hint}`);
}
