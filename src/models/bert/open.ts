import { join } from "node:path";
import type { Engine } from "../../engine/engine.js";
import { readJson } from "../json.js";
import { WeightReader } from "../reader.js";
import { openWeights, type Weights } from "../weights.js";
import { Bert, BertAttention, BertEmbeddings, BertFeedForward, type BertLayer } from "./bert.js";
import { type BertConfig, bertConfig } from "./config.js";

/** An encoder, with what its folder says of it. */
export interface OpenedBert {
  /** The encoder; its weights are in their files until a run needs them. */
  readonly bert: Bert;
  /** Its sizes. */
  readonly config: BertConfig;
  /** The weights that it was made of. */
  readonly weights: Weights;
}

/**
 * Opens an encoder of BERT's family from a Hugging Face folder: BERT, RoBERTa, XLM-RoBERTa and DistilBERT.
 * @throws FileError, ModelError, WeightsError
 */
export async function openBert(engine: Engine, folder: string): Promise<OpenedBert> {
  const path = join(folder, "config.json");
  const config = bertConfig(await readJson(path), path);
  const weights = await openWeights(engine, folder);
  const reader = WeightReader.of(weights);
  const bert = readBert(reader, config);
  reader.ignore((name) => UNNEEDED.test(name));
  reader.finish();
  return { bert, config, weights };
}

/** What checkpoints have beside the encoder: heads of the tasks that it was trained for, and tables of indices. */
const UNNEEDED =
  /(^|\.)(pooler|cls|lm_head|classifier|vocab_\w+|position_ids|pre_classifier)(\.|$)/;

/** How the checkpoints of a family name the parts of an encoder. */
interface Names {
  /** What the encoder may be below, where the checkpoint has a head too. */
  readonly prefixes: readonly string[];
  /** What a layer's number comes after. */
  readonly layers: string;
  /** The parts of a layer. */
  readonly layer: LayerNames;
}

type LayerNames = Readonly<
  Record<
    "query" | "key" | "value" | "output" | "attentionNorm" | "inner" | "outer" | "norm",
    string
  >
>;

const NAMES: Readonly<Record<BertConfig["family"], Names>> = {
  bert: {
    prefixes: ["bert", "roberta"],
    layers: "encoder.layer",
    layer: {
      query: "attention.self.query",
      key: "attention.self.key",
      value: "attention.self.value",
      output: "attention.output.dense",
      attentionNorm: "attention.output.LayerNorm",
      inner: "intermediate.dense",
      outer: "output.dense",
      norm: "output.LayerNorm",
    },
  },
  distilbert: {
    prefixes: ["distilbert"],
    layers: "transformer.layer",
    layer: {
      query: "attention.q_lin",
      key: "attention.k_lin",
      value: "attention.v_lin",
      output: "attention.out_lin",
      attentionNorm: "sa_layer_norm",
      inner: "ffn.lin1",
      outer: "ffn.lin2",
      norm: "output_layer_norm",
    },
  },
};

function readBert(whole: WeightReader, config: BertConfig): Bert {
  const { prefixes, layers, layer } = NAMES[config.family];
  const prefix = prefixes.find((name) => whole.has(`${name}.embeddings.word_embeddings.weight`));
  const reader = prefix === undefined ? whole : whole.at(prefix);
  return new Bert(
    readEmbeddings(reader, config),
    Array.from({ length: config.layers }, (_, n) =>
      readLayer(reader.at(`${layers}.${n}`), config, layer),
    ),
  );
}

function readEmbeddings(reader: WeightReader, config: BertConfig): BertEmbeddings {
  const { firstPosition, positions, size, types, vocabulary, eps } = config;
  const part = reader.at("embeddings");
  return new BertEmbeddings(
    firstPosition,
    part.embedding("word_embeddings", vocabulary, size),
    part.tensor("position_embeddings.weight", [firstPosition + positions, size]),
    types === 0 ? undefined : part.tensor("token_type_embeddings.weight", [types, size]),
    part.layerNorm("LayerNorm", size, eps),
  );
}

function readLayer(reader: WeightReader, config: BertConfig, names: LayerNames): BertLayer {
  const { size, inner, eps, heads, activation } = config;
  const linear = (name: string, inputs: number, outputs: number) =>
    reader.linear(name, { inputs, outputs, bias: true });
  const attention = new BertAttention(heads, {
    query: linear(names.query, size, size),
    key: linear(names.key, size, size),
    value: linear(names.value, size, size),
    output: linear(names.output, size, size),
    norm: reader.layerNorm(names.attentionNorm, size, eps),
  });
  const feedForward = new BertFeedForward(
    activation,
    linear(names.inner, size, inner),
    linear(names.outer, inner, size),
    reader.layerNorm(names.norm, size, eps),
  );
  return { attention, feedForward };
}
