import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, type Generated, type GenerateOptions, Generator } from "../../../src/index.js";
import { eventually } from "../../support/eventually.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { CONTEXT, writeTinyLlama } from "../tiny-llama.js";

const folder = temporaryFolder();
let engine: Engine;
let generator: Generator;
beforeAll(async () => {
  engine = Engine.create();
  generator = await Generator.open(engine, await writeTinyLlama(folder("llama")));
});
afterAll(() => engine.close());

async function finish(tokens: AsyncGenerator<{ text: string }, Generated>): Promise<Generated> {
  for (;;) {
    const { done, value } = await tokens.next();
    if (done) return value;
  }
}
const generate = (prompt: string | number[], options?: GenerateOptions) =>
  finish(generator.generate(prompt, options));
/** The bytes that the engine holds beside the weights. What is freed is given back in a later turn of the event loop. */
const held = () => engine.info().memory.active - generator.model.byteLength;
const CACHE = 2 * 2 * 2 * 128 * 16 * 4;
const withoutCaches = () => eventually(() => expect(held()).toBeLessThan(CACHE / 2));

describe("a snapshot", () => {
  const prompt = "The crew lowers the boat";

  it("has the tokens that prompts begin with, which are not computed again", async () => {
    const alone = await generate(prompt, { maxTokens: 12 });
    using snapshot = await generator.snapshot("The crew lowers");
    expect(snapshot.ids).toEqual(alone.promptIds.slice(0, 15));
    const computed: number[] = [];
    const probe = generator.probe("embedding", ({ types }) =>
      computed.push(types[0]?.shape[1] as number),
    );
    const after = await Promise.all(
      [1, 2].map(() => generate(prompt, { maxTokens: 12, snapshot })),
    );
    probe.close();
    for (const { tokens, promptIds } of after) {
      expect([promptIds, tokens]).toEqual([alone.promptIds, alone.tokens]);
    }
    // Nine tokens, in a run of sixteen, and then each by itself.
    expect(computed.filter((length) => length > 1)).toEqual([16, 16]);
  });

  it("serves prompts that share a part of it, all of it, or nothing", async () => {
    using snapshot = await generator.snapshot(prompt);
    for (const other of ["The crew sleeps", "Rain", "The", prompt, `${prompt}.`]) {
      const alone = await generate(other, { maxTokens: 8 });
      expect((await generate(other, { maxTokens: 8, snapshot })).tokens).toEqual(alone.tokens);
    }
  });

  it("goes on from another one, and from a generation that kept it", async () => {
    using first = await generator.snapshot("The crew");
    using second = await generator.snapshot(prompt, { snapshot: first });
    expect(second.ids).toHaveLength(prompt.length);
    const alone = await generate(prompt, { maxTokens: 8 });
    const { tokens, snapshot } = await generate(prompt, {
      maxTokens: 4,
      snapshot: second,
      keep: true,
    });
    expect(tokens).toEqual(alone.tokens.slice(0, 4));
    // The last token was told and not computed.
    expect(snapshot?.ids).toEqual([...alone.promptIds, ...tokens.slice(0, 3)]);
    const soFar = [...alone.promptIds, ...tokens];
    const rest = await generate(soFar, { maxTokens: 4, ...(snapshot && { snapshot }) });
    expect(rest.tokens).toEqual(alone.tokens.slice(4));
    snapshot?.dispose();
  });

  it("is of messages, without the beginning of an answer", async () => {
    using snapshot = await generator.snapshot([{ role: "system", content: "Be brief." }]);
    expect(generator.tokenizer.encode("<|im_start|>system:Be brief.<|im_end|>")).toEqual(
      snapshot.ids,
    );
  });

  it("keeps its memory until it is disposed of, and cannot be used then", async () => {
    await generate(prompt, { maxTokens: 2 });
    await withoutCaches();
    const snapshot = await generator.snapshot(prompt);
    expect(held()).toBeGreaterThanOrEqual(CACHE);
    const under = generator.generate(prompt, { snapshot });
    await under.next();
    snapshot.dispose();
    snapshot.dispose();
    await under.next();
    await under.return(undefined as never);
    await withoutCaches();
    await expect(generate(prompt, { snapshot })).rejects.toMatchObject({
      code: "state_lost",
      message: /disposed of; expected another one/,
    });
  });

  it("is refused of prompts that make no sense", async () => {
    for (const bad of ["", [], [-1], [1000]]) {
      await expect(generator.snapshot(bad)).rejects.toMatchObject({ code: "prompt_invalid" });
    }
    await expect(generator.snapshot("x".repeat(CONTEXT))).rejects.toMatchObject({
      code: "text_too_long",
    });
  });
});

it("ends where the context is full", async () => {
  const { reason, tokens, promptIds } = await generate("x".repeat(CONTEXT - 6), {
    maxTokens: 100,
  });
  expect([reason, tokens.length + promptIds.length]).toEqual(["context", CONTEXT]);
});

it("refuses texts to stop at that are none", async () => {
  for (const stop of [[""], ["a", ""], "a", [1]]) {
    await expect(generate("x", { stop: stop as string[] })).rejects.toMatchObject({
      code: "option_invalid",
      message: expect.stringMatching(/^stop is .*; expected a list of texts/),
    });
  }
});

it("is of no use once it was disposed of, and neither is a generation under way", async () => {
  const other = await Generator.open(engine, folder("llama"));
  const tokens = other.generate("x");
  await tokens.next();
  other.dispose();
  other.dispose();
  await expect(tokens.next()).rejects.toMatchObject({ code: "function_disposed" });
  await expect(other.generate("x").next()).rejects.toMatchObject({ code: "function_disposed" });
  await expect(other.snapshot("x")).rejects.toMatchObject({ code: "function_disposed" });
  await expect(generate("x", { maxTokens: 1 })).resolves.toMatchObject({ reason: "length" });
});
