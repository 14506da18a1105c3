import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const run = promisify(execFile);

/** The only block of a language. */
function block(language: string): string {
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))];
  expect(blocks.length).toBe(1);
  return blocks[0]?.[1] as string;
}

/** What the text after a block says that it prints. */
function promised(language: string): string[] {
  const [, after] = readme.split(block(language)) as [string, string];
  const sentence = /^```\n\nprints `([^`]+)` from the hook and `([^`]+)`\./.exec(after);
  expect(sentence, `the text after the ${language} block`).not.toBeNull();
  return (sentence as RegExpExecArray).slice(1);
}

it("the Elixir block prints what is said", { timeout: 60_000 }, async () => {
  const { stdout } = await run("mix", ["run", "-e", block("elixir")], {
    cwd: join(root, "elixir_client"),
    env: { ...process.env, ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" },
  });
  expect(stdout.trim().split("\n")).toEqual(promised("elixir"));
});

it("the Node block prints what is said", async () => {
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", block("js")], {
    cwd: root,
  });
  expect(stdout.trim().split("\n")).toEqual(promised("js"));
});

/** Whether a link's file is there, and the heading in it that it names. */
function leadsSomewhere(link: string): boolean {
  const [path, anchor] = link.split("#") as [string, string?];
  const file = join(root, path);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)];
  return headings.some(([, text]) => text?.toLowerCase().replaceAll(" ", "-") === anchor);
}

it("links to files and headings that are there", () => {
  const links = [...readme.matchAll(/\]\(([^):]+)\)/g)].map(([, path]) => path as string);
  expect(links.length).toBeGreaterThan(4);
  expect(links.filter((link) => !leadsSomewhere(link))).toEqual([]);
});
