import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FileArray, writeTensors } from "../../src/index.js";
import { toFloat16Bits } from "../../src/tensor/half.js";
import { bertTokenizer } from "./support.js";

const SIZE = 8;
const INNER = 16;
const LAYERS = 2;
const POSITIONS = 32;

/** A small encoder of BERT's family: how its files name its parts. */
export interface TinyBert {
  readonly family?: "bert" | "roberta" | "distilbert";
  /** Before every name, as a checkpoint with a head has it. */
  readonly prefix?: string;
  readonly dtype?: "float32" | "float16";
  readonly config?: Record<string, unknown>;
  /** Tensors in place of others; undefined takes one away. */
  readonly tensors?: Record<string, FileArray | undefined>;
}

/** Numbers that depend on a name alone, so that every family has the same. */
function numbers(name: string, shape: readonly number[], scale: number): Float32Array {
  const seed = [...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % 1000;
  const count = shape.reduce((product, size) => product * size, 1);
  return Float32Array.from({ length: count }, (_, n) => Math.sin(seed + n * 1.7) * scale);
}

const BERT_NAMES = {
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  output: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  inner: "intermediate.dense",
  outer: "output.dense",
  norm: "output.LayerNorm",
};
const NAMES = {
  bert: { layer: "encoder.layer", ...BERT_NAMES },
  roberta: { layer: "encoder.layer", ...BERT_NAMES },
  distilbert: {
    layer: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attentionNorm: "sa_layer_norm",
    inner: "ffn.lin1",
    outer: "ffn.lin2",
    norm: "output_layer_norm",
  },
};

const CONFIGS = {
  bert: {
    model_type: "bert",
    num_hidden_layers: LAYERS,
    num_attention_heads: 2,
    hidden_size: SIZE,
    intermediate_size: INNER,
    vocab_size: 6,
    max_position_embeddings: POSITIONS,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    hidden_act: "gelu",
  },
  distilbert: {
    model_type: "distilbert",
    n_layers: LAYERS,
    n_heads: 2,
    dim: SIZE,
    hidden_dim: INNER,
    vocab_size: 6,
    max_position_embeddings: POSITIONS,
    activation: "gelu",
  },
};

/** Writes a folder with an encoder whose results are the same for every family. */
export async function writeTinyBert(folder: string, tiny: TinyBert = {}): Promise<string> {
  const { family = "bert", prefix = "", dtype = "float32", config = {}, tensors = {} } = tiny;
  const made = new Map<string, FileArray>();
  const add = (name: string, shape: readonly number[], values: Float32Array) => {
    const bytes =
      dtype === "float32"
        ? new Uint8Array(values.buffer)
        : new Uint8Array(Uint16Array.from(values, toFloat16Bits).buffer);
    made.set(prefix + name, { type: { dtype, shape }, bytes });
  };
  const linear = (name: string, as: string, inputs: number, outputs: number) => {
    add(`${name}.weight`, [outputs, inputs], numbers(`${as}.weight`, [outputs, inputs], 0.5));
    add(`${name}.bias`, [outputs], numbers(`${as}.bias`, [outputs], 0.1));
  };
  const norm = (name: string, as: string) => {
    add(
      `${name}.weight`,
      [SIZE],
      numbers(`${as}.weight`, [SIZE], 0.2).map((x) => 1 + x),
    );
    add(`${name}.bias`, [SIZE], numbers(`${as}.bias`, [SIZE], 0.1));
  };
  const table = (name: string, rows: number, first = 0) => {
    const values = numbers(name, [rows, SIZE], 1);
    const shifted = new Float32Array((first + rows) * SIZE).fill(9);
    shifted.set(values, first * SIZE);
    add(`embeddings.${name}.weight`, [first + rows, SIZE], shifted);
  };
  table("word_embeddings", 6);
  table("position_embeddings", POSITIONS, family === "roberta" ? 2 : 0);
  // Those of no type are 0, so that DistilBERT, which has none, computes the same.
  if (family !== "distilbert") {
    const types = family === "roberta" ? 1 : 2;
    add("embeddings.token_type_embeddings.weight", [types, SIZE], new Float32Array(types * SIZE));
  }
  norm("embeddings.LayerNorm", "embeddings");
  const names = NAMES[family];
  for (let n = 0; n < LAYERS; n++) {
    const at = (part: keyof typeof BERT_NAMES) => `${names.layer}.${n}.${names[part]}`;
    for (const part of ["query", "key", "value", "output"] as const) {
      linear(at(part), `${n}.${part}`, SIZE, SIZE);
    }
    norm(at("attentionNorm"), `${n}.attentionNorm`);
    linear(at("inner"), `${n}.inner`, SIZE, INNER);
    linear(at("outer"), `${n}.outer`, INNER, SIZE);
    norm(at("norm"), `${n}.norm`);
  }
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor === undefined) made.delete(name);
    else made.set(name, tensor);
  }
  const own = family === "distilbert" ? CONFIGS.distilbert : CONFIGS.bert;
  const roberta = {
    model_type: "roberta",
    max_position_embeddings: POSITIONS + 2,
    type_vocab_size: 1,
    pad_token_id: 1,
  };
  const whole = { ...own, ...(family === "roberta" ? roberta : {}), ...config };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(whole));
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(bertTokenizer()));
  await writeTensors(join(folder, "model.safetensors"), made);
  return folder;
}
