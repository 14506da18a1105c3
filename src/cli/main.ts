#!/usr/bin/env node
import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { nearest } from "../nearest.js";
import { isError } from "../realm.js";
import { type Command, type ExitCode, parseCommand, UsageError } from "./command.js";

/** The commands, each loaded when it is called: `davit inspect` does not load the engine. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run.js")).run,
  ps: async () => (await import("./ps.js")).ps,
  watch: async () => (await import("./watch.js")).watch,
  diff: async () => (await import("./diff.js")).diff,
  embed: async () => (await import("./embed.js")).embed,
  generate: async () => (await import("./generate.js")).generate,
  chat: async () => (await import("./chat.js")).chat,
  inspect: async () => (await import("./inspect.js")).inspect,
  export: async () => (await import("./export.js")).exportCommand,
  port: async () => (await import("./port.js")).port,
  store: async () => (await import("./store.js")).store,
  serve: async () => (await import("./serve.js")).serve,
  doctor: async () => (await import("./doctor.js")).doctorCommand,
};

/** Codes of errors that only a wrong option can cause. */
const WRONG_OPTIONS: ReadonlySet<unknown> = new Set([
  "option_invalid",
  "match_invalid",
  "pooling_invalid",
  "tolerance_invalid",
]);

/** Runs one command line. Returns its exit code. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = argv;
  try {
    if (name === undefined) {
      console.error(await overview());
      return 2;
    }
    if (name === "--help" || name === "-h" || (name === "help" && rest.length === 0)) {
      console.log(await overview());
      return 0;
    }
    if (name === "--version") {
      console.log(await version());
      return 0;
    }
    if (name === "help") return await main([rest[0] as string, "--help"]);
    const command = await find(name);
    if (rest.includes("--help") || rest.includes("-h")) {
      console.log(command.help);
      return 0;
    }
    return await command.run(parseCommand(command, rest));
  } catch (error) {
    return report(error, name);
  }
}

async function find(name: string): Promise<Command> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const suggestion = nearest(name, Object.keys(COMMANDS));
    const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
    throw new UsageError(`unknown command "${name}"${hint}`);
  }
  return await load();
}

/** Tells the user what went wrong: one line for what has a code, a stack for what is a fault of ours. */
function report(error: unknown, command: string | undefined): ExitCode {
  if (error instanceof UsageError || hasCode(error, WRONG_OPTIONS)) {
    const help = command !== undefined && Object.hasOwn(COMMANDS, command) ? `${command} ` : "";
    console.error(`davit: ${error.message}\nTry "davit ${help}--help".`);
    return 2;
  }
  if (isError(error) && "code" in error) {
    console.error(`davit: ${error.message} [${error.code}]`);
  } else {
    console.error(error);
  }
  return 1;
}

function hasCode(error: unknown, codes: ReadonlySet<unknown>): error is Error {
  return isError(error) && codes.has((error as { code?: unknown }).code);
}

async function overview(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(COMMANDS).map(
      async ([name, load]) => `  ${name.padEnd(9)}${(await load()).summary}`,
    ),
  );
  return `davit runs MLX tensor programs and lets you watch them through hooks.

Usage: davit COMMAND [ARGUMENTS]

${lines.join("\n")}

  davit COMMAND --help    how to use it
  davit --version         Davit's version

Exit codes: 0 done, 1 failed, 2 called wrongly.`;
}

async function version(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

// Called as a program, also through the link that npm makes for `davit`.
const called = process.argv[1];
if (called !== undefined && realpathSync(called) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
