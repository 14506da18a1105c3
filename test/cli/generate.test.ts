import { beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/main.js";
import { RecordingFile } from "../../src/index.js";
import { CONTEXT, writeTinyLlama } from "../models/tiny-llama.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { capturePrinted } from "./support.js";

const folder = temporaryFolder();
const printed = capturePrinted();
let model: string;
beforeAll(async () => {
  model = await writeTinyLlama(folder("llama"));
});

const generate = (...args: string[]) => main(["generate", model, "--prompt", "Once", ...args]);
const json = async (...args: string[]) => {
  printed.out = "";
  expect(await generate("--json", ...args)).toBe(0);
  return JSON.parse(printed.out);
};

it("prints one JSON object, or the text as it comes", async () => {
  const { prompt_ids, tokens, text, reason } = await json("--max-tokens", "6");
  expect([prompt_ids, tokens.length, reason]).toEqual([[...Buffer.from("Once")], 6, "length"]);
  printed.out = "";
  expect(await generate("--max-tokens", "6")).toBe(0);
  expect(printed.out).toBe(`${text}\n`);
});

it("takes the options of sampling", async () => {
  const sampled = (seed: string) =>
    json(
      "--max-tokens",
      "12",
      "--temperature",
      "2",
      "--top-k",
      "20",
      "--top-p",
      "0.9",
      "--seed",
      seed,
    );
  const [a, b, c] = [await sampled("1"), await sampled("1"), await sampled("2")];
  expect(b.tokens).toEqual(a.tokens);
  expect(c.tokens).not.toEqual(a.tokens);
  expect((await json("--max-tokens", "500")).reason).toBe("stop");
});

it("answers a chat", async () => {
  expect(
    await main(["generate", model, "--chat", "Hi", "--system", "S", "--max-tokens", "2", "--json"]),
  ).toBe(0);
  const ids = JSON.parse(printed.out).prompt_ids as number[];
  expect(ids.filter((id) => id === 257)).toHaveLength(3);
});

describe("hooks and probes", () => {
  it("are printed beside the text", async () => {
    const { text } = await json("--max-tokens", "3");
    printed.out = printed.err = "";
    const watched = [
      "--hook",
      "logits",
      "--hook",
      "layers.*.attention",
      "--probe",
      "layers.1.feed_forward",
    ];
    expect(await generate("--max-tokens", "3", ...watched)).toBe(0);
    expect(printed.out).toBe(`${text}\n`);
    const lines = printed.err.trim().split("\n");
    const of = (start: RegExp) => lines.filter((line) => start.test(line)).length;
    expect(of(/^(output\.)?logits #\d+ float32\[259\] {2}min /)).toBe(3);
    expect([of(/^layers\.0\.attention/), of(/^layers\.1\.attention/)]).toEqual([3, 3]);
    expect(of(/^layers\.1\.feed_forward/)).toBeGreaterThanOrEqual(3);
  });

  it("are printed with their values, or recorded", async () => {
    expect(await generate("--max-tokens", "1", "--hook", "logits", "--values")).toBe(0);
    expect(printed.err).toMatch(/logits #0 float32\[259\]\narray\(\[/);
    const path = folder("said.rec");
    expect(await generate("--max-tokens", "2", "--hook", "logits", "--record", path)).toBe(0);
    const file = await RecordingFile.open(path);
    expect(file.events).toHaveLength(2);
    await file.close();
  });

  it("that match nothing are refused", async () => {
    expect(await generate("--max-tokens", "2", "--hook", "no.*")).toBe(2);
    expect(printed.err).toContain('--hook "no.*" matches nothing in the model');
    expect(await generate("--values", "--record", folder("x.rec"))).toBe(2);
  });
});

it("refuses what it is called with wrongly, before the model is read", async () => {
  for (const wrong of [
    ["--temperature", "hot"],
    ["--top-p", "2"],
    ["--chat", "x"],
    ["--system", "x"],
  ]) {
    expect(await generate(...wrong)).not.toBe(0);
  }
  expect(await main(["generate", folder("none.gguf"), "--prompt", "x"])).toBe(1);
  expect(await generate("--prompt", "x".repeat(CONTEXT))).not.toBe(0);
});
