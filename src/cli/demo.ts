import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Arguments, type Command, type ExitCode, UsageError } from "./command.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** `davit demo`: a real model, watched from Elixir. Lives in examples/minilm; this finds and starts it. */
export const demo: Command = {
  summary: "embed sentences with a real model while Elixir processes watch its layers",
  help: `Usage: davit demo [OPTIONS] [SENTENCE...]

Embeds sentences with all-MiniLM-L6-v2. An Elixir program runs the engine as its port, while two
other Elixir processes watch every layer through hooks. Without Elixir the same runs in Node.

  --json     print one JSON object: sentences, embeddings, events, timings
  --node     do not use Elixir
  --help     this text

Runs in a checkout of the repository, after "npm run setup -- --for demo".`,
  options: { json: { type: "boolean" }, node: { type: "boolean" } },
  positionals: ["SENTENCE..."],
  run: runDemo,
};

async function runDemo(args: Arguments): Promise<ExitCode> {
  const example = join(root, "examples", "tsconfig.json");
  if (!existsSync(example)) {
    throw new UsageError(`the demo runs in a checkout of the repository; ${example} is missing`);
  }
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const compiled = await node([compiler, "-p", example]);
  if (compiled !== 0) return compiled;
  const flags = [...args.flags].map((flag) => `--${flag}`);
  const program = join(root, "build", "examples", "minilm", "demo.js");
  return await node([program, ...flags, "--", ...args.positionals]);
}

/** Runs a script of Node on this terminal. */
async function node(args: readonly string[]): Promise<ExitCode> {
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  // Ctrl+C reaches the child as well; what it prints then should still be seen.
  const ignore = () => {};
  process.on("SIGINT", ignore);
  const [code] = (await once(child, "exit")) as [number | null];
  process.off("SIGINT", ignore);
  return code === 0 ? 0 : 1;
}
