import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { pythonWithMlx } from "./reference.js";

/** A call that ends a process which does not guard it, and ours that is like it. */
export interface Fatal {
  readonly title: string;
  /** An expression of Python MLX. */
  readonly python: string;
  readonly ours: () => Promise<unknown>;
  /** How ours fails; absent where it has a result. */
  readonly code?: string;
}

/** Tests that unguarded calls end a process, by a signal or by an exit from within, and ours do not. */
export function describeFatal(calls: readonly Fatal[]): void {
  describe("what ends a process that does not guard it", () => {
    let ends: string[];
    beforeAll(async () => {
      ends = await endsOf(calls.map(({ python }) => python));
    });

    it.each(calls.map((call, index) => ({ ...call, index })))("$title", async (call) => {
      expect(ends[call.index]).toMatch(/^(SIG(SEGV|FPE|BUS|ABRT)|exit \d+)$/);
      if (call.code === undefined) await call.ours();
      else await expect(call.ours()).rejects.toMatchObject({ code: call.code });
    });
  });
}

/** How a process ends that evaluates an expression, for each of them. See fatal.py. */
async function endsOf(expressions: readonly string[]): Promise<string[]> {
  const { command, env } = pythonWithMlx();
  const script = fileURLToPath(new URL("fatal.py", import.meta.url));
  const child = spawn(command, [script], { env, stdio: ["pipe", "pipe", "inherit"] });
  const answers: Buffer[] = [];
  child.stdout.on("data", (chunk) => answers.push(chunk));
  child.stdin.end(`${expressions.join("\n")}\n`);
  await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  return Buffer.concat(answers).toString().trimEnd().split("\n");
}
