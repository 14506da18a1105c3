/** SmolLM2-135M-Instruct, which the set-up fetches. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Generated, type GenerateOptions, Generator } from "davit-engine";
import { languageModel } from "../../tools.js";
import { engine } from "./engine.js";

let opening: Promise<Generator> | undefined;

async function generate(prompt: readonly number[], options: GenerateOptions): Promise<Generated> {
  opening ??= Generator.open(engine, languageModel);
  const tokens = (await opening).generate(prompt, options);
  for (;;) {
    const { done, value } = await tokens.next();
    if (done) return value;
  }
}

/** Microseconds a token, the likeliest each time, of so many after a prompt of 16 tokens. */
export async function generateDecode(count: number): Promise<number[]> {
  const prompt = Array.from({ length: 16 }, (_, n) => 1000 + n);
  const { tokens, decodeMs } = await generate(prompt, { maxTokens: count + 1 });
  return [(decodeMs * 1000) / (tokens.length - 1)];
}

/** Microseconds until the first token after a prompt of so many. */
export async function generatePrefill(length: number): Promise<number[]> {
  const prompt = Array.from({ length }, (_, n) => 1000 + 7 * n);
  return [(await generate(prompt, { maxTokens: 1 })).prefillMs * 1000];
}

/** Microseconds that a process takes to begin, open the model and end. */
export async function generateReady(): Promise<number[]> {
  const script = fileURLToPath(new URL("generate-ready.js", import.meta.url));
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [script, languageModel], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return [(performance.now() - start) * 1000];
}
