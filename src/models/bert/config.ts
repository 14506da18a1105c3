import { show } from "../../show.js";
import { ModelError } from "../error.js";
import { countOf, type JsonObject, numberOf } from "../json.js";
import { ACTIVATIONS, type Activation, isActivation } from "../layers/index.js";

/** The sizes of an encoder of BERT's family. */
export interface BertConfig {
  /** Layers. */
  readonly layers: number;
  /** Heads of each attention. */
  readonly heads: number;
  /** The size of a token's vector. */
  readonly size: number;
  /** The size between the two products of a layer. */
  readonly inner: number;
  /** Tokens that there are. */
  readonly vocabulary: number;
  /** The most tokens of a text. */
  readonly positions: number;
  /** The row of the table of positions that the first token has. */
  readonly firstPosition: number;
  /** Rows of the table of types; 0 where there is none. */
  readonly types: number;
  /** What layer norms add to the variance. */
  readonly eps: number;
  /** The function between the two products of a layer. */
  readonly activation: Activation;
  /** How the weights are named. */
  readonly family: "bert" | "distilbert";
}

const MODEL_TYPES = ["bert", "roberta", "xlm-roberta", "distilbert"] as const;

/**
 * Reads the config.json of an encoder of BERT's family.
 * @throws FileError, ModelError `model_unsupported`
 */
export function bertConfig(json: JsonObject, path: string): BertConfig {
  const type = json.model_type;
  if (!MODEL_TYPES.includes(type as never)) {
    const problem = `${path}: the model_type is ${show(type)}`;
    throw new ModelError("model_unsupported", problem, `one of ${MODEL_TYPES.join(", ")}`);
  }
  const positions = json.position_embedding_type ?? "absolute";
  if (positions !== "absolute") {
    const problem = `${path}: the position_embedding_type is ${show(positions)}`;
    throw new ModelError("model_unsupported", problem, "absolute");
  }
  const config = type === "distilbert" ? distilbert(json, path) : bert(json, path);
  if (config.positions < 1) {
    const problem = `${path}: max_position_embeddings leaves ${config.positions} positions`;
    throw new ModelError("model_invalid", problem, "one or more");
  }
  if (config.size % config.heads !== 0) {
    const problem = `${path}: vectors of ${config.size} are not divided by ${config.heads} heads`;
    throw new ModelError("model_invalid", problem, "a multiple");
  }
  return config;
}

function bert(json: JsonObject, path: string): BertConfig {
  const count = (key: string) => countOf(json, key, path);
  // RoBERTa counts positions from the one after its padding token's number.
  const firstPosition = json.model_type === "bert" ? 0 : Number(json.pad_token_id ?? 1) + 1;
  return {
    layers: count("num_hidden_layers"),
    heads: count("num_attention_heads"),
    size: count("hidden_size"),
    inner: count("intermediate_size"),
    vocabulary: count("vocab_size"),
    positions: count("max_position_embeddings") - firstPosition,
    firstPosition,
    types: count("type_vocab_size"),
    eps: numberOf(json, "layer_norm_eps", path),
    activation: activation(json.hidden_act, path),
    family: "bert",
  };
}

function distilbert(json: JsonObject, path: string): BertConfig {
  const count = (key: string) => countOf(json, key, path);
  return {
    layers: count("n_layers"),
    heads: count("n_heads"),
    size: count("dim"),
    inner: count("hidden_dim"),
    vocabulary: count("vocab_size"),
    positions: count("max_position_embeddings"),
    firstPosition: 0,
    types: 0,
    eps: 1e-12,
    activation: activation(json.activation, path),
    family: "distilbert",
  };
}

function activation(name: unknown, path: string): Activation {
  if (isActivation(name)) return name;
  const problem = `${path}: the activation is ${show(name)}`;
  throw new ModelError(
    "model_unsupported",
    problem,
    `one of ${Object.keys(ACTIVATIONS).join(", ")}`,
  );
}
