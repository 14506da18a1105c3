import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

let folder: string;
const project = () => join(folder, "app");
const env = { ...process.env, MIX_QUIET: "1", ELIXIR_ERL_OPTIONS: "+fnu" };

/** A project as `mix new` makes it, with the dependency that the README names. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "davit-mix-"));
  await run("mix", ["new", "app"], { cwd: folder, env });
  const config = join(project(), "mix.exs");
  const dependency = `{:davit, path: ${JSON.stringify(join(root, "elixir_client"))}}`;
  const text = readFileSync(config, "utf8");
  const changed = text.replace(/defp deps do\n\s+\[/, (start) => `${start}${dependency}`);
  expect(changed).not.toBe(text);
  writeFileSync(config, changed);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("a new mix project with a path dependency runs the README's example", async () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, example] = /^```elixir\n([\s\S]*?)^```$/m.exec(readme) as unknown as [string, string];
  expect(readme).toContain('{:davit, path: "path/to/checkout/elixir_client"}');
  const { stdout } = await run("mix", ["run", "-e", example], { cwd: project(), env });
  expect(stdout.trim().split("\n")).toEqual(["[2.0, 4.0, 6.0]", "12.0"]);
}, 300_000);
