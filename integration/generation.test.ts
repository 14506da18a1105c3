import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChatMessage, Engine, type Generated, Generator } from "../src/index.js";
import { eventually } from "../test/support/eventually.js";
import { hasModule, python } from "./support/python.js";
import { llamaReference, smollm2 } from "./support/smollm2.js";
import golden from "./support/smollm2_tokens.json" with { type: "json" };

const davit = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const user = (content: string): ChatMessage => ({ role: "user", content });

/** All of a generation: its texts as they came, and its result. */
async function finish(tokens: AsyncGenerator<{ text: string }, Generated>) {
  const texts: string[] = [];
  for (;;) {
    const { done, value } = await tokens.next();
    if (done) return { texts, ...value };
    texts.push(value.text);
  }
}

describe.skipIf(!existsSync(smollm2))("SmolLM2", { timeout: 600_000 }, () => {
  let engine: Engine;
  let generator: Generator;
  beforeAll(async () => {
    engine = Engine.create();
    generator = await Generator.open(engine, smollm2);
  }, 600_000);
  afterAll(() => engine.close());

  it("has the tokens of the library tokenizers", () => {
    for (const { text, ids } of golden) {
      expect([text, generator.tokenizer.encode(text)]).toEqual([text, ids]);
    }
  });

  it.skipIf(!hasModule("mlx.core"))(
    "generates the tokens that a forward pass in Python MLX finds likeliest",
    async () => {
      const chats = [
        [user("What is the capital of France?")],
        [{ role: "system", content: "You speak like a pirate." }, user("Who are you?")],
        [user("2 + 2 = "), { role: "assistant", content: "4" }, user("And times 3?")],
      ];
      const all: Awaited<ReturnType<typeof finish>>[] = [];
      for (const chat of chats) all.push(await finish(generator.chat(chat, { maxTokens: 16 })));
      const ids = all.map(({ promptIds, tokens }) => [...promptIds, ...tokens]);
      const likeliest = JSON.parse(
        python([llamaReference, smollm2], JSON.stringify(ids)),
      ) as number[][];
      all.forEach(({ promptIds, tokens, texts, text, reason }, n) => {
        const after = (likeliest[n] as number[]).slice(promptIds.length - 1);
        expect(after.slice(0, tokens.length)).toEqual(tokens);
        if (reason === "stop") expect(generator.tokenizer.endTokens).toContain(after.at(-1));
        expect(texts.join("")).toBe(text);
      });
      expect(all[0]?.text).toBe("The capital of France is Paris.");
      expect(all[0]?.reason).toBe("stop");
    },
  );

  it("generates the same from a long prompt in several runs, a cache that grows, and beside others", async () => {
    const long = `${"The crew lowers the boat into the water. ".repeat(60)}\nThe`;
    expect(generator.tokenizer.encode(long).length).toBeGreaterThan(512);
    const options = { maxTokens: 8 };
    const alone = await finish(generator.generate(long, options));
    const short = await finish(generator.generate("Once upon a time", options));
    const together = await Promise.all([
      finish(generator.generate(long, options)),
      finish(generator.generate("Once upon a time", options)),
      finish(generator.generate(long, options)),
    ]);
    expect(together.map(({ tokens }) => tokens)).toEqual([
      alone.tokens,
      short.tokens,
      alone.tokens,
    ]);
    expect(alone.reason).toBe("length");
    // Its text goes on as the prompt does.
    expect(alone.text).toMatch(/^ crew/);
  });

  it("generates the same after a snapshot of the prompt's beginning", async () => {
    const system: ChatMessage = { role: "system", content: "You speak like a pirate. ".repeat(20) };
    const chat = [system, user("Who are you?")];
    const alone = await finish(generator.chat(chat, { maxTokens: 8 }));
    using snapshot = await generator.snapshot([system]);
    expect(snapshot.ids.length).toBeGreaterThan(100);
    const after = await finish(generator.chat(chat, { maxTokens: 8, snapshot }));
    expect([after.promptIds, after.tokens]).toEqual([alone.promptIds, alone.tokens]);
  });

  it("stops at texts, samples by a seed, is cancelled, and frees its cache", async () => {
    const capital = [user("What is the capital of France?")];
    const stopped = await finish(generator.chat(capital, { stop: ["France is", "never"] }));
    expect([stopped.text, stopped.texts.join(""), stopped.reason]).toEqual([
      "The capital of ",
      "The capital of ",
      "stop",
    ]);
    const sampled = (seed: number) =>
      finish(generator.generate("The best color is", { seed, temperature: 1.5, maxTokens: 6 }));
    const [a, b, c] = [await sampled(1), await sampled(1), await sampled(2)];
    expect(b.tokens).toEqual(a.tokens);
    expect(c.tokens).not.toEqual(a.tokens);
    const before = engine.info().memory.active;
    const controller = new AbortController();
    const cancelled = generator.generate("Once", { signal: controller.signal });
    await cancelled.next();
    controller.abort(new Error("enough"));
    await expect(cancelled.next()).rejects.toThrow("enough");
    const left = generator.generate("Once");
    await left.next();
    await left.return(undefined as never);
    // A step that was under way ends first.
    await eventually(() => expect(engine.info().memory.active).toBeLessThan(before + 2 ** 20));
  });

  it("shows its layers to hooks and probes while it speaks", async () => {
    const seen = new Map<string, number>();
    const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
    const subscriptions = [
      generator.on("attention", ({ label }) => count(`attention ${label}`), { view: "summary" }),
      generator.on("logits", ({ types }) => count(`logits ${types[0]?.shape}`), {
        view: "summary",
      }),
      generator.probe("layers.29.feed_forward", () => count("probe"), { view: "summary" }),
    ];
    await finish(generator.generate("Once upon a time", { maxTokens: 3 }));
    for (const subscription of subscriptions) subscription.close();
    const attention = [...seen].filter(([what]) => what.startsWith("attention"));
    expect(attention.map(([, times]) => times)).toEqual(Array(30).fill(3));
    expect(seen.get("logits 49152")).toBe(3);
    expect(seen.get("probe")).toBeGreaterThanOrEqual(3);
  });

  it("refuses prompts that make no sense", async () => {
    const first = (prompt: string | number[], options = {}) =>
      generator.generate(prompt, options).next();
    await expect(first("")).rejects.toMatchObject({ code: "prompt_invalid" });
    await expect(first([1, 60_000])).rejects.toMatchObject({ code: "prompt_invalid" });
    await expect(first(Array(8192).fill(5))).rejects.toMatchObject({
      code: "text_too_long",
      message: /8192 tokens; expected less than 8192/,
    });
    for (const options of [{ temperature: -1 }, { topP: 2 }, { topK: 0.5 }, { maxTokens: 0 }]) {
      await expect(first("x", options)).rejects.toMatchObject({ code: "option_invalid" });
    }
  });

  it("answers on the command line", () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [davit, "generate", smollm2, "--chat", "What is the capital of France?", "--json"],
      { encoding: "utf8" },
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      text: "The capital of France is Paris.",
      reason: "stop",
      prefill_ms: expect.any(Number),
      decode_ms: expect.any(Number),
      prompt_ids: expect.any(Array),
    });
  });

  it("talks on the command line", async () => {
    const child = spawn(process.execPath, [davit, "chat", smollm2, "--max-tokens", "8"]);
    let said = "";
    child.stdout.on("data", (bytes) => {
      said += bytes;
    });
    child.stdin.end("What is the capital of France?\n\nAnd of Italy?\n");
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(0);
    expect(said.trim().split("\n")).toHaveLength(2);
    expect(said).toMatch(/^The capital of France is Paris/);
  });
});
