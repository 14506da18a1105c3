import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, promisify } from "node:util";
import { vi } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** An example of a page, and what the page says that it prints. */
export interface Example {
  readonly code: string;
  readonly output: string;
}

/** The TypeScript examples of a page of docs/; each has to be followed by what it prints. */
export function pageExamples(page: string): Example[] {
  const text = readFileSync(join(root, "docs", page), "utf8");
  const pairs = /^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm;
  const examples = [...text.matchAll(pairs)].map(([, code, output]) => ({
    code: code as string,
    output: output as string,
  }));
  const count = text.match(/^```ts$/gm)?.length ?? 0;
  if (examples.length !== count || count === 0) {
    throw new Error(`of ${count} examples of ${page}, ${examples.length} say what they print`);
  }
  return examples;
}

const NEXT = "--- next example ---";

/** The examples of a page as one module in a folder of its own. */
export class ExampleModule {
  readonly folder = mkdtempSync(join(tmpdir(), "davit-docs-"));
  readonly file = join(this.folder, "examples.ts");

  constructor(examples: readonly Example[]) {
    const parts = examples.map(({ code }) => `${code}console.log("${NEXT}");\n`);
    writeFileSync(this.file, parts.join("\n"));
  }

  /** Runs it; gives what each example printed. */
  async run(): Promise<string[]> {
    const lines: string[] = [];
    const log = vi.spyOn(console, "log").mockImplementation((...values) => {
      lines.push(`${format(...values)}\n`);
    });
    try {
      await import(this.file);
    } finally {
      log.mockRestore();
    }
    return lines.join("").split(`${NEXT}\n`).slice(0, -1);
  }

  /** What TypeScript has against it; nothing where all is well. */
  async typeErrors(): Promise<string> {
    const config = join(this.folder, "tsconfig.json");
    // A module, though no package.json here says so.
    const compilerOptions = {
      noEmit: true,
      module: "ESNext",
      moduleResolution: "Bundler",
      typeRoots: [join(root, "node_modules", "@types")],
      paths: {
        "davit-engine": [join(root, "src", "index.ts")],
        "erlang-port": [join(root, "port", "src", "index.ts")],
      },
    };
    const base = join(root, "tsconfig.base.json");
    writeFileSync(config, JSON.stringify({ extends: base, compilerOptions, files: [this.file] }));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, "-p", config]).catch(
      (error: { stdout: string }) => error,
    );
    return stdout;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
