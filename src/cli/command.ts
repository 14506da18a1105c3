import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearest } from "../nearest.js";

/** The status that a command exits with: 0 done, 1 failed, 2 called wrongly. */
export type ExitCode = 0 | 1 | 2;

/** The options of a command, as `parseArgs` takes them. */
export type Options = Readonly<
  Record<string, { type: "string" | "boolean"; multiple?: boolean; short?: string }>
>;

/** The arguments of a command line: options by name, and the rest in order. */
export interface Arguments {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

/** One command of `davit`. */
export interface Command {
  /** One line for `davit --help`. */
  readonly summary: string;
  /** All of it, for `davit COMMAND --help`. */
  readonly help: string;
  readonly options: Options;
  /** The names of the positional arguments; a trailing `?` marks an optional one, `...` any number. */
  readonly positionals: readonly string[];
  run(args: Arguments): Promise<ExitCode>;
}

/** A command line that makes no sense: the process ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Gives the only value of an option, or undefined. */
export function single(args: Arguments, name: string): string | undefined {
  const values = args.values.get(name) ?? [];
  if (values.length > 1) throw new UsageError(`--${name} was given ${values.length} times`);
  return values[0];
}

/** Reads a command line; refuses what the command does not know, naming what was probably meant. */
export function parseCommand(command: Command, argv: readonly string[]): Arguments {
  const config = {
    args: [...argv],
    options: command.options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  } satisfies ParseArgsConfig;
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of parseArgs(config).tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(command.options, token.name)
      ? command.options[token.name]
      : undefined;
    if (option === undefined) throw unknownOption(token.rawName, command);
    if (option.type === "boolean") {
      if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`);
      flags.add(token.name);
    } else {
      if (token.value === undefined) throw new UsageError(`${token.rawName} needs a value`);
      values.set(token.name, [...(values.get(token.name) ?? []), token.value]);
    }
  }
  checkPositionals(command, positionals);
  return { flags, values, positionals };
}

function unknownOption(rawName: string, command: Command): UsageError {
  const known = Object.keys(command.options).map((name) => `--${name}`);
  const suggestion = nearest(rawName, known);
  const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
  return new UsageError(`unknown option ${rawName}${hint}`);
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const names = command.positionals;
  const required = names.filter((name) => !name.endsWith("?") && !name.endsWith("..."));
  if (given.length < required.length) {
    throw new UsageError(`${required[given.length]} is missing`);
  }
  if (!names.at(-1)?.endsWith("...") && given.length > names.length) {
    throw new UsageError(`unexpected argument "${given[names.length]}"`);
  }
}
