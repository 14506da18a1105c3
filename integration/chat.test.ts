import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { smollm2 } from "./support/smollm2.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
const QUESTION = "What is the capital of France?";

const node = (script: string, ...args: string[]) =>
  run(process.execPath, [join(root, "build", "examples", "chat", `${script}.js`), ...args]);
const elixir = (script: string, ...args: string[]) =>
  run("mix", ["run", join(root, "examples", "chat", `${script}.exs`), ...args], {
    cwd: join(root, "elixir_client"),
    env: { ...process.env, ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" },
  });

describe.skipIf(!existsSync(smollm2))("examples/chat", { timeout: 600_000 }, () => {
  beforeAll(async () => {
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    await run(process.execPath, [tsc, "-p", join(root, "examples")]);
  }, 120_000);

  const answers: string[] = [];
  it.each([
    ["Node", node],
    ["Elixir", elixir],
  ])("has a conversation in %s", async (_, command) => {
    const { stdout } = await command("chat", QUESTION, "And of Italy?");
    expect(stdout).toMatch(
      /^> What is the capital of France\?\nThe capital of France is Paris\.\n> And of Italy\?\n/,
    );
    answers.push(stdout);
  });

  it("says the same in both", () => {
    expect(answers[1]).toBe(answers[0]);
  });

  const watched: string[] = [];
  it.each([
    ["Node", node],
    ["Elixir", elixir],
  ])("shows the layers of attention in %s", async (_, command) => {
    const { stdout } = await command("attention", QUESTION);
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(7);
    for (const line of lines)
      expect(line).toMatch(/^"[^"]+" +layers\.\d+\.attention {2}std \d+\.\d\d$/);
    watched.push(stdout);
  });

  it("shows the same in both", () => {
    expect(watched[1]).toBe(watched[0]);
  });
});
