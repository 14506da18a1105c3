import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Engine,
  type FileArray,
  type Generated,
  type GenerateOptions,
  Generator,
  openWeights,
  writeTensors,
} from "../src/index.js";
import { tokenizerOfGguf } from "../src/models/generator/gguf-tokenizer.js";
import { writeTinyLlama } from "../test/models/tiny-llama.js";
import { temporaryFolder } from "../test/support/temporary-folder.js";
import { hasModule, python } from "./support/python.js";
import { llamaReference, smollm2 } from "./support/smollm2.js";

const folder = temporaryFolder();
let engine: Engine;
beforeAll(() => {
  engine = Engine.create();
});
afterAll(() => engine.close());

async function finish(tokens: AsyncGenerator<unknown, Generated>): Promise<Generated> {
  for (;;) {
    const { done, value } = await tokens.next();
    if (done) return value;
  }
}

/** Generates after prompts, and compares each token with the likeliest of the forward pass in Python MLX. */
async function compare(path: string, prompts: readonly string[], options: GenerateOptions) {
  const generator = await Generator.open(engine, path);
  const all: Generated[] = [];
  for (const prompt of prompts) all.push(await finish(generator.generate(prompt, options)));
  const { endTokens } = generator.tokenizer;
  generator.dispose();
  const ids = all.map(({ promptIds, tokens }) => [...promptIds, ...tokens]);
  const likeliest = JSON.parse(python([llamaReference, path], JSON.stringify(ids))) as number[][];
  all.forEach(({ promptIds, tokens, reason }, n) => {
    const after = (likeliest[n] as number[]).slice(promptIds.length - 1);
    expect(after.slice(0, tokens.length)).toEqual(tokens);
    if (reason === "stop") expect(endTokens).toContain(after.at(-1));
  });
  return all;
}

const NAMES: readonly (readonly [string, string])[] = [
  ["token_embd", "model.embed_tokens"],
  ["blk", "model.layers"],
  ["attn_norm", "input_layernorm"],
  ["attn_q", "self_attn.q_proj"],
  ["attn_k", "self_attn.k_proj"],
  ["attn_v", "self_attn.v_proj"],
  ["attn_output", "self_attn.o_proj"],
  ["ffn_norm", "post_attention_layernorm"],
  ["ffn_gate", "mlp.gate_proj"],
  ["ffn_up", "mlp.up_proj"],
  ["ffn_down", "mlp.down_proj"],
  ["output_norm", "model.norm"],
];

/** GGUF files have the two halves of a head's rows in turns: puts one after the other. */
function inHalves(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  const length = bytes.length / rows;
  const size = rows / heads;
  const result = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const [head, at] = [Math.floor(row / size), row % size];
    const to = head * size + (at % 2) * (size / 2) + Math.floor(at / 2);
    result.set(bytes.subarray(row * length, (row + 1) * length), to * length);
  }
  return result;
}

/** Writes a GGUF file of Llama's kind as a folder as Hugging Face has it, packed as it is. */
async function writeFolder(path: string, to: string): Promise<string> {
  const weights = await openWeights(engine, path);
  const number = (name: string) => weights.metadata.get(`llama.${name}`) as number;
  const [heads, keyHeads] = [number("attention.head_count"), number("attention.head_count_kv")];
  const arrays = new Map<string, FileArray>();
  for (const name of weights.keys()) {
    const tensor = weights.get(name);
    if (tensor === undefined) continue;
    const [type, bytes] = [tensor.type, await tensor.bytes()];
    const turned = name.includes("attn_q.") ? heads : name.includes("attn_k.") ? keyHeads : 0;
    arrays.set(
      NAMES.reduce((text, [from, into]) => text.replace(from, into), name),
      { type, bytes: turned === 0 ? bytes : inHalves(bytes, type.shape[0] as number, turned) },
    );
    tensor.dispose();
  }
  const { json, config } = tokenizerOfGguf(weights.metadata, path);
  await mkdir(to, { recursive: true });
  await writeTensors(join(to, "model.safetensors"), arrays);
  const sizes = {
    architectures: ["LlamaForCausalLM"],
    num_hidden_layers: number("block_count"),
    hidden_size: number("embedding_length"),
    intermediate_size: number("feed_forward_length"),
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    vocab_size: arrays.get("model.embed_tokens.weight")?.type.shape[0],
    max_position_embeddings: number("context_length"),
    rms_norm_eps: number("attention.layer_norm_rms_epsilon"),
    rope_theta: number("rope.freq_base"),
    tie_word_embeddings: true,
    quantization: { group_size: 32, bits: 4 },
  };
  for (const [name, content] of Object.entries({
    "config.json": sizes,
    "tokenizer.json": json,
    "tokenizer_config.json": config,
  })) {
    await writeFile(join(to, name), JSON.stringify(content));
  }
  return to;
}

describe.skipIf(!hasModule("mlx.core"))("a folder as Hugging Face has it", () => {
  const prompts = ["The crew lowers", "a", "Rain."];

  it("with weights in float32 generates what Python MLX does", { timeout: 120_000 }, async () => {
    const all = await compare(await writeTinyLlama(folder("float")), prompts, { maxTokens: 24 });
    expect(new Set(all.flatMap(({ tokens }) => tokens)).size).toBeGreaterThan(8);
  });

  it("with packed weights generates what Python MLX does", { timeout: 120_000 }, async () => {
    const path = await writeTinyLlama(folder("packed"), { packed: true });
    const all = await compare(path, prompts, { maxTokens: 24 });
    expect(new Set(all.flatMap(({ tokens }) => tokens)).size).toBeGreaterThan(8);
  });

  it.skipIf(!existsSync(smollm2))(
    "of a real model generates what its GGUF file does, whose rotary positions are of the other kind",
    { timeout: 600_000 },
    async () => {
      const path = await writeFolder(smollm2, folder("smollm2"));
      const prompt = "The capital of France is";
      const [of] = await compare(path, [prompt], { maxTokens: 8 });
      const generator = await Generator.open(engine, smollm2);
      const same = await finish(generator.generate(prompt, { maxTokens: 8 }));
      expect([of?.promptIds, of?.tokens]).toEqual([same.promptIds, same.tokens]);
      expect(of?.text).toMatch(/Paris/);
      generator.dispose();
    },
  );
});
