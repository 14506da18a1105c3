import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { longestText, TextTokenizer } from "../../src/index.js";
import { bertTokenizer } from "./support.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-tokenizer-"));
});
afterAll(() => rm(folder, { recursive: true }));

const of = (json: object, longest = 6) => new TextTokenizer(json as never, {}, longest, "x.json");
const tokenizer = of(bertTokenizer());

it("puts the special tokens around a text, also around an empty one", () => {
  expect(tokenizer.ids("a b")).toEqual([2, 4, 5, 3]);
  expect(tokenizer.ids("A  b\tunknown")).toEqual([2, 4, 5, 1, 3]);
  expect(tokenizer.ids("")).toEqual([2, 3]);
  expect(tokenizer.ids("  ")).toEqual([2, 3]);
});

it("cuts a text that is too long, and keeps the last special token", () => {
  expect(tokenizer.ids("a b a b")).toEqual([2, 4, 5, 4, 5, 3]);
  expect(tokenizer.ids("a b a b a b a")).toEqual([2, 4, 5, 4, 5, 3]);
  expect([tokenizer.isTooLong("a b a b"), tokenizer.isTooLong("a b a b a")]).toEqual([false, true]);
});

it("gives a very long text the tokens that it would have as a whole", () => {
  const longest = 3000;
  const long = of(bertTokenizer(), longest);
  // Spaces, words and runs of spaces that end at any place of the pieces that are tokenized.
  const text = Array.from({ length: 40_000 }, (_, n) => (n % 3 === 0 ? "a" : "b ")).join(
    " ".repeat(7),
  );
  const whole = of(bertTokenizer(), 10 ** 6).ids(text);
  expect(whole.length).toBe(40_002);
  expect(long.ids(text)).toEqual([...whole.slice(0, longest - 1), 3]);
  expect(long.isTooLong(text)).toBe(true);
  expect(long.ids("a".repeat(100_000))).toEqual([2, 1, 3]);
  expect(long.ids(" ".repeat(100_000))).toEqual([2, 3]);
});

it("fills rows up to the longest of them, or to a length", () => {
  const batch = tokenizer.batch(["a", "a b a", ""]);
  expect(batch).toEqual({
    count: 3,
    length: 5,
    ids: Int32Array.of(2, 4, 3, 0, 0, 2, 4, 5, 4, 3, 2, 3, 0, 0, 0),
    mask: Float32Array.of(1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0),
  });
  expect(tokenizer.batch(["a"], 8).ids).toEqual(Int32Array.of(2, 4, 3, 0, 0, 0, 0, 0));
  expect(tokenizer.batch([]).count).toBe(0);
});

it("makes one token of an empty text where there are no special tokens", () => {
  const bare = { ...bertTokenizer(), post_processor: null };
  expect(of(bare).ids("")).toEqual([0]);
  expect(of(bare, 3).ids("a b a b")).toEqual([4, 5, 4]);
});

it("refuses a tokenizer of an unknown kind", () => {
  expect(() => of({ ...bertTokenizer(), model: { type: "Telepathy" } })).toThrow(
    expect.objectContaining({ code: "tokenizer_unsupported" }),
  );
  expect(() => of({})).toThrow(/^x\.json: the tokenizer cannot be used: /);
});

it("reads how long a text may be from the folder", async () => {
  const save = (name: string, json: unknown) => writeFile(join(folder, name), JSON.stringify(json));
  expect(await longestText(folder, 512)).toBe(512);
  await save("tokenizer_config.json", { model_max_length: 1e30 });
  expect(await longestText(folder, 512)).toBe(512);
  await save("tokenizer_config.json", { model_max_length: 128 });
  expect(await longestText(folder, 512)).toBe(128);
  await save("sentence_bert_config.json", { max_seq_length: 256 });
  expect(await longestText(folder, 512)).toBe(256);
  await save("sentence_bert_config.json", { max_seq_length: "all" });
  await expect(longestText(folder, 512)).rejects.toThrow(/max_seq_length is "all"/);
  await expect(TextTokenizer.open(folder, 5)).rejects.toMatchObject({ code: "file_missing" });
});
