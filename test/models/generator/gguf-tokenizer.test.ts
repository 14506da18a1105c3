import { describe, expect, it } from "vitest";
import type { GgufValue } from "../../../src/files/index.js";
import { tokenizerOfGguf } from "../../../src/models/generator/gguf-tokenizer.js";
import { LanguageTokenizer } from "../../../src/models/index.js";

const CONTROL = 3;
const NORMAL = 1;
const TOKENS = ["<s>", "</s>", "a", "b", "ab", "\u0120", "1", "2"];

function metadata(changes: Record<string, GgufValue | undefined> = {}) {
  const all = {
    model: "gpt2",
    tokens: TOKENS,
    token_type: [CONTROL, CONTROL, ...TOKENS.slice(2).map(() => NORMAL)],
    merges: ["a b"],
    bos_token_id: 0,
    eos_token_id: 1,
    ...changes,
  };
  return new Map<string, GgufValue>(
    Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[`tokenizer.ggml.${name}`, value as GgufValue] as const],
    ),
  );
}
const open = (changes?: Record<string, GgufValue | undefined>) =>
  new LanguageTokenizer(tokenizerOfGguf(metadata(changes), "x.gguf"), "x.gguf");

describe("the tokenizer of a GGUF file", () => {
  it("joins tokens by its merges, and finds special ones by their texts", () => {
    const tokenizer = open();
    expect(tokenizer.encode("abb</s>a")).toEqual([4, 3, 1, 2]);
    expect(tokenizer.decode([4, 3, 1, 2])).toBe("abba");
    expect(tokenizer.decode([])).toBe("");
    expect([...tokenizer.endTokens]).toEqual([1]);
  });

  it("begins with the first token where the file says so", () => {
    expect(open({ add_bos_token: true }).encode("ab")).toEqual([0, 4]);
  });

  it("splits digits as its pre-tokenizer does", () => {
    expect(open({ pre: "smollm", merges: ["1 2"] }).encode("12")).toEqual([6, 7]);
  });

  it.each<[string, Record<string, GgufValue | undefined>, string, RegExp]>([
    ["of another kind", { model: "llama" }, "tokenizer_unsupported", /model "llama"; .*"?gpt2/],
    [
      "with another pre-tokenizer",
      { pre: "tekken" },
      "tokenizer_unsupported",
      /pre "tekken"; .*smollm/,
    ],
    ["without tokens", { tokens: undefined }, "model_invalid", /tokens undefined; expected a list/],
    ["with merges that are no list", { merges: "a b" }, "model_invalid", /merges "a b"/],
  ])("%s is refused", (_, changes, code, message) => {
    let error: unknown;
    try {
      open(changes);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
