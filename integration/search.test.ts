import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

const READMES = {
  boats:
    "A davit is a small crane at a ship's side. Sailors use it to lower the lifeboat into the water.",
  sauce:
    "Simmer the tomatoes with garlic and basil, and stir the sauce until it thickens on the stove.",
  zip: "This library reads and writes compressed archives. It unpacks the files of a zip archive in memory.",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-search-"));
  for (const [name, text] of Object.entries(READMES)) {
    await mkdir(join(folder, name));
    const code =
      "```js\n// How do I read a zip file? How do I read a zip file? How do I read it?\n```";
    await writeFile(join(folder, name, "README.md"), `# ${name}\n\n${text}\n\n${code}\n`);
  }
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await run(process.execPath, [tsc, "-p", join(root, "examples")]);
});
afterAll(() => rm(folder, { recursive: true }));

const QUESTIONS = [
  ["How do I read a zip file?", "zip"],
  ["What shall we cook tonight?", "sauce"],
  ["How does the crew get off the ship?", "boats"],
] as const;

/** The packages that were found, the best first. */
function packages(stdout: string): string[] {
  return [...stdout.matchAll(/(\w+)[\\/]README\.md$/gm)].map(([, name]) => name as string);
}

describe("examples/search", () => {
  it.each(QUESTIONS)("finds in Node: %s", async (question, name) => {
    const script = join(root, "build", "examples", "search", "search.js");
    const { stdout, stderr } = await run(process.execPath, [script, question, folder]);
    expect(stderr).toMatch(/^3 paragraphs of 3 files in /m);
    expect(packages(stdout)[0]).toBe(name);
    expect(packages(stdout).length).toBe(3);
  });

  it("finds in Elixir, where eight processes embed", { timeout: 120_000 }, async () => {
    const script = join(root, "examples", "search", "search.exs");
    const [question, name] = QUESTIONS[0];
    const env = { ...process.env, ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" };
    const cwd = join(root, "elixir_client");
    const { stdout } = await run("mix", ["run", script, question, folder], { cwd, env });
    expect(packages(stdout)[0]).toBe(name);
    expect(packages(stdout).length).toBe(3);
  });
});
