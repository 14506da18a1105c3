import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, promisify } from "node:util";
import { afterAll, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(join(root, "docs", "trace.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "davit-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The page's examples, and what it says that each prints. They are one module. */
const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm)].map(
  ([, code, output]) => ({ code: code as string, output: output as string }),
);
const file = join(folder, "trace.ts");
const NEXT = "--- next example ---";
writeFileSync(file, examples.map(({ code }) => `${code}console.log("${NEXT}");\n`).join("\n"));

it("every example says what it prints", () => {
  expect(examples).toHaveLength(text.match(/^```ts$/gm)?.length ?? 0);
  expect(examples.length).toBeGreaterThan(5);
});

it("the examples print that", async () => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((...values) => {
    lines.push(`${format(...values)}\n`);
  });
  await import(file);
  log.mockRestore();
  const printed = lines.join("").split(`${NEXT}\n`);
  expect(printed.slice(0, -1)).toEqual(examples.map(({ output }) => output));
});

it("the examples have the types they need", async () => {
  const config = join(folder, "tsconfig.json");
  const paths = {
    "davit-engine": [join(root, "src", "index.ts")],
    "erlang-port": [join(root, "port", "src", "index.ts")],
  };
  const typeRoots = [join(root, "node_modules", "@types")];
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, "tsconfig.base.json"),
      // A module, though no package.json here says so.
      compilerOptions: {
        noEmit: true,
        module: "ESNext",
        moduleResolution: "Bundler",
        typeRoots,
        paths,
      },
      files: [file],
    }),
  );
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, "-p", config]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe("");
});
