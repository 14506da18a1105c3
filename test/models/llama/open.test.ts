import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, Generator, openLlama, WeightsError } from "../../../src/index.js";
import { ggufFile, list, type MetadataValue, value } from "../../support/gguf-file.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { type TinyLlama, writeTinyLlama } from "../tiny-llama.js";

const folder = temporaryFolder();
let engine: Engine;
let count = 0;
beforeAll(() => {
  engine = Engine.create();
});
afterAll(() => engine.close());

const write = (tiny: TinyLlama = {}) => writeTinyLlama(folder(`llama${count++}`), tiny);
const float = (shape: readonly number[]) => ({
  type: { dtype: "float32", shape } as const,
  bytes: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
});

describe("a folder is refused", () => {
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    [
      "of another architecture",
      { architectures: ["GPT2LMHeadModel"] },
      "model_unsupported",
      /GPT2LM.*LlamaFor/,
    ],
    ["of no architecture", { architectures: undefined }, "model_unsupported", /architecture/],
    [
      "with scaled positions",
      { rope_scaling: { type: "linear" } },
      "model_unsupported",
      /rope_scaling/,
    ],
    ["with another activation", { hidden_act: "gelu" }, "model_unsupported", /hidden_act "gelu"/],
    ["without a size", { hidden_size: undefined }, "file_malformed", /hidden_size/],
    [
      "with a size that is none",
      { num_hidden_layers: -1 },
      "file_malformed",
      /num_hidden_layers is -1/,
    ],
    ["with heads that do not fit", { num_key_value_heads: 3 }, "model_invalid", /4 heads/],
    ["with heads of an odd size", { head_dim: 15 }, "model_invalid", /size 15/],
  ])("%s", async (_, config, code, message) => {
    await expect(openLlama(engine, await write({ config }))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("with weights that are not its own, all of them named at once", async () => {
    const path = await write({
      tensors: {
        "model.norm.weight": undefined,
        "model.layers.1.self_attn.q_proj.weight": undefined,
        "model.layers.0.mlp.up_proj.weight": float([3, 64]),
        "model.layers.0.mlp.gate_proj.weight": {
          type: { dtype: "int32", shape: [128, 64] },
          bytes: new Uint8Array(4 * 128 * 64),
        },
        "model.layers.2.extra.weight": float([1]),
      },
    });
    const error = await openLlama(engine, path).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(WeightsError);
    const { message } = error as Error;
    for (const part of [
      /2 missing \((model\.layers\.1\.self_attn\.q_proj\.weight|model\.norm\.weight), /,
      /1 not of this model \(model\.layers\.2\.extra\.weight\)/,
      /up_proj\.weight: float32\[3, 64\], expected \[128, 64\]/,
      /gate_proj\.weight: int32/,
    ]) {
      expect(message).toMatch(part);
    }
  });

  it("whose packed weights are packed in no known way", async () => {
    const name = "model.layers.0.self_attn.q_proj";
    const path = await write({
      packed: true,
      tensors: { [`${name}.scales`]: float([64, 3]), [`${name}.biases`]: float([64, 3]) },
    });
    await expect(openLlama(engine, path)).rejects.toMatchObject({
      code: "weights_invalid",
      message: expect.stringMatching(/q_proj\.scales: float32\[64, 3\], expected \[64, 2\]/),
    });
  });

  it.each<[string, (path: string) => void, string]>([
    ["without a tokenizer", (path) => writeFileSync(path, ""), "file_malformed"],
    [
      "with a tokenizer of an unknown kind",
      (path) => writeFileSync(path, '{"model": {"type": "Magic"}}'),
      "tokenizer_unsupported",
    ],
  ])("%s", async (_, change, code) => {
    const path = await write();
    change(join(path, "tokenizer.json"));
    await expect(Generator.open(engine, path)).rejects.toMatchObject({ code });
  });

  it("whose weights are broken off", async () => {
    const path = await write();
    const file = join(path, "model.safetensors");
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length - 4));
    await expect(Generator.open(engine, path)).rejects.toMatchObject({ code: "file_truncated" });
  });
});

it("a chat needs a template that takes its messages", async () => {
  const chat = (generator: Generator) => () => generator.chat([{ role: "user", content: "x" }]);
  const none = await Generator.open(
    engine,
    await write({ tokenizer: { chat_template: undefined } }),
  );
  expect(chat(none)).toThrow(/no chat template/);
  const template = "{{ raise_exception('only system') }}";
  const refusing = await Generator.open(
    engine,
    await write({ tokenizer: { chat_template: template } }),
  );
  expect(chat(refusing)).toThrow(/only system/);
});

describe("a GGUF file is refused", () => {
  const metadata: Record<string, MetadataValue> = {
    "general.architecture": value("string", "llama"),
    "llama.block_count": value("uint32", 1),
    "llama.embedding_length": value("uint32", 8),
    "llama.feed_forward_length": value("uint32", 8),
    "llama.attention.head_count": value("uint32", 2),
    "llama.context_length": value("uint32", 8),
    "llama.attention.layer_norm_rms_epsilon": value("float32", 1e-5),
    "tokenizer.ggml.tokens": list([value("string", "a")]),
  };
  const tensor = { shape: [8], kind: 0, bytes: new Uint8Array(32) };
  it.each<[string, Record<string, MetadataValue | undefined>, string, RegExp]>([
    [
      "of another architecture",
      { "general.architecture": value("string", "mamba") },
      "model_unsupported",
      /"mamba"; expected "llama"/,
    ],
    ["without a size", { "llama.block_count": undefined }, "model_invalid", /llama\.block_count/],
    [
      "with a size that is a text",
      { "llama.context_length": value("string", "x") },
      "model_invalid",
      /context_length "x"/,
    ],
    [
      "with scaled positions",
      { "llama.rope.scaling.type": value("string", "yarn") },
      "model_unsupported",
      /yarn/,
    ],
    ["without weights", {}, "weights_invalid", /missing \(/],
  ])("%s", async (_, changes, code, message) => {
    const path = folder(`bad${count++}.gguf`);
    const merged = Object.entries({ ...metadata, ...changes }).flatMap(([name, one]) =>
      one === undefined ? [] : [[name, one] as [string, MetadataValue]],
    );
    writeFileSync(path, ggufFile({ metadata: merged, tensors: { other: tensor } }));
    await expect(Generator.open(engine, path)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("with frequencies of its own", async () => {
    const path = folder("freqs.gguf");
    writeFileSync(path, ggufFile({ metadata, tensors: { "rope_freqs.weight": tensor } }));
    await expect(Generator.open(engine, path)).rejects.toMatchObject({ code: "model_unsupported" });
  });
});
