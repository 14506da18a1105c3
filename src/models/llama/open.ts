import { join } from "node:path";
import type { Engine } from "../../engine/engine.js";
import { ModelError } from "../error.js";
import { readJson } from "../json.js";
import { WeightReader } from "../reader.js";
import { openWeights, type Weights } from "../weights.js";
import { configOfGguf, configOfJson, type LlamaConfig } from "./config.js";
import { Llama, LlamaAttention, LlamaFeedForward, LlamaLayer } from "./model.js";

/** What a format calls the weights. */
interface Names {
  readonly embedding: string;
  readonly layer: (n: number) => string;
  readonly attentionNorm: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly attentionOutput: string;
  readonly feedForwardNorm: string;
  readonly gate: string;
  readonly up: string;
  readonly down: string;
  readonly norm: string;
  readonly output: string;
}

const GGUF: Names = {
  embedding: "token_embd",
  layer: (n) => `blk.${n}`,
  attentionNorm: "attn_norm",
  query: "attn_q",
  key: "attn_k",
  value: "attn_v",
  attentionOutput: "attn_output",
  feedForwardNorm: "ffn_norm",
  gate: "ffn_gate",
  up: "ffn_up",
  down: "ffn_down",
  norm: "output_norm",
  output: "output",
};

const HUGGING_FACE: Names = {
  embedding: "model.embed_tokens",
  layer: (n) => `model.layers.${n}`,
  attentionNorm: "input_layernorm",
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  attentionOutput: "self_attn.o_proj",
  feedForwardNorm: "post_attention_layernorm",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
  norm: "model.norm",
  output: "lm_head",
};

/** A model and the weights that it was made of. */
export interface OpenedLlama {
  /** The model. */
  readonly model: Llama;
  /** Its weights, with what a GGUF file says beside them. */
  readonly weights: Weights;
}

/**
 * Opens a language model of Llama's kind: a GGUF file, or a folder as Hugging Face has it. Its weights stay in their files until a run needs
 * them.
 * @throws FileError; ModelError `model_unsupported`, `model_invalid`; WeightsError that names all weights that do not fit
 */
export async function openLlama(engine: Engine, path: string): Promise<OpenedLlama> {
  const weights = await openWeights(engine, path);
  if (weights.metadata.size > 0) {
    if (weights.has("rope_freqs.weight")) {
      const problem = `${path} scales its rotary positions (rope_freqs.weight)`;
      throw new ModelError("model_unsupported", problem, "a model without it");
    }
    return { model: build(weights, configOfGguf(weights.metadata, path), GGUF), weights };
  }
  const file = join(path, "config.json");
  const config = configOfJson(await readJson(file), file);
  return { model: build(weights, config, HUGGING_FACE), weights };
}

function build(weights: Weights, config: LlamaConfig, names: Names): Llama {
  const { hiddenSize, innerSize, heads, keyHeads, headSize, vocabulary, normEps } = config;
  const reader = WeightReader.of(weights);
  const layers = Array.from({ length: config.layers }, (_, n) => {
    const at = reader.at(names.layer(n));
    const linear = (name: string, inputs: number, outputs: number) =>
      at.linear(name, { inputs, outputs, bias: at.has(`${name}.bias`) });
    const norm = (name: string) => at.rmsNorm(name, hiddenSize, normEps);
    const keySize = keyHeads * headSize;
    return new LlamaLayer(
      norm(names.attentionNorm),
      new LlamaAttention(
        config,
        linear(names.query, hiddenSize, heads * headSize),
        linear(names.key, hiddenSize, keySize),
        linear(names.value, hiddenSize, keySize),
        linear(names.attentionOutput, heads * headSize, hiddenSize),
      ),
      norm(names.feedForwardNorm),
      new LlamaFeedForward(
        linear(names.gate, hiddenSize, innerSize),
        linear(names.up, hiddenSize, innerSize),
        linear(names.down, innerSize, hiddenSize),
      ),
    );
  });
  const sizes = { inputs: hiddenSize, outputs: vocabulary, bias: false };
  const model = new Llama(
    config,
    reader.embedding(names.embedding, vocabulary, hiddenSize),
    layers,
    reader.rmsNorm(names.norm, hiddenSize, normEps),
    // Without one, the embedding's rows serve as well.
    reader.has(`${names.output}.weight`) ? reader.linear(names.output, sizes) : undefined,
  );
  // Tables that older exports hold, and that are computed here.
  reader.ignore((name) => name.endsWith("rotary_emb.inv_freq"));
  reader.finish();
  return model;
}
