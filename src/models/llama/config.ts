import type { GgufValue } from "../../files/index.js";
import { show } from "../../show.js";
import { ModelError } from "../error.js";
import { countOf, type JsonObject, numberOf } from "../json.js";

/** The sizes of a language model of Llama's kind. */
export interface LlamaConfig {
  /** Blocks of attention and feed-forward layers. */
  readonly layers: number;
  /** The size of a token's vector. */
  readonly hiddenSize: number;
  /** The size between the two products of a feed-forward layer. */
  readonly innerSize: number;
  /** Heads of queries. */
  readonly heads: number;
  /** Heads of keys and values; each serves as many heads of queries as there are more of those. */
  readonly keyHeads: number;
  /** The size of a head's vector. */
  readonly headSize: number;
  /** How many tokens there are. */
  readonly vocabulary: number;
  /** How many tokens a text may have, what is generated included. */
  readonly contextLength: number;
  /** What is added to the mean square in norms. */
  readonly normEps: number;
  /** The base of the angles of rotary positions. */
  readonly ropeBase: number;
  /** Whether neighbours are turned together, as GGUF files have them; else halves are, as Hugging Face's have them. */
  readonly ropeTraditional: boolean;
}

/** Architectures whose layers are Llama's, by the names of Hugging Face's config.json. */
const ARCHITECTURES: readonly unknown[] = ["LlamaForCausalLM", "MistralForCausalLM"];

/** Reads the sizes from a config.json. @throws FileError; ModelError `model_unsupported` */
export function configOfJson(json: JsonObject, path: string): LlamaConfig {
  const architecture = Array.isArray(json.architectures) ? json.architectures[0] : undefined;
  if (!ARCHITECTURES.includes(architecture)) {
    const problem = `${path} is of the architecture ${show(architecture)}`;
    throw new ModelError("model_unsupported", problem, `one of ${ARCHITECTURES.join(", ")}`);
  }
  const given = (key: string) => json[key] !== undefined && json[key] !== null;
  if (given("rope_scaling")) {
    const problem = `${path} has rope_scaling ${show(json.rope_scaling)}`;
    throw new ModelError("model_unsupported", problem, "a model without it");
  }
  if (given("hidden_act") && json.hidden_act !== "silu") {
    const problem = `${path} has hidden_act ${show(json.hidden_act)}`;
    throw new ModelError("model_unsupported", problem, '"silu"');
  }
  const count = (key: string) => countOf(json, key, path);
  const [hiddenSize, heads] = [count("hidden_size"), count("num_attention_heads")];
  return checked(path, {
    layers: count("num_hidden_layers"),
    hiddenSize,
    innerSize: count("intermediate_size"),
    heads,
    keyHeads: given("num_key_value_heads") ? count("num_key_value_heads") : heads,
    headSize: given("head_dim") ? count("head_dim") : hiddenSize / heads,
    vocabulary: count("vocab_size"),
    contextLength: count("max_position_embeddings"),
    normEps: numberOf(json, "rms_norm_eps", path),
    ropeBase: given("rope_theta") ? numberOf(json, "rope_theta", path) : 10_000,
    ropeTraditional: false,
  });
}

/** Reads the sizes from the metadata of a GGUF file. @throws ModelError `model_invalid`, `model_unsupported` */
export function configOfGguf(metadata: ReadonlyMap<string, GgufValue>, path: string): LlamaConfig {
  const architecture = metadata.get("general.architecture");
  if (architecture !== "llama") {
    const problem = `${path} is of the architecture ${show(architecture)}`;
    throw new ModelError("model_unsupported", problem, '"llama"');
  }
  const number = (name: string, otherwise?: number): number => {
    const key = `llama.${name}`;
    const value = metadata.get(key) ?? otherwise;
    if (typeof value === "number" && value > 0) return value;
    const problem = `${path} has ${key} ${show(value)}`;
    throw new ModelError("model_invalid", problem, "a number above 0");
  };
  const scaling = metadata.get("llama.rope.scaling.type");
  if (scaling !== undefined && scaling !== "none") {
    const problem = `${path} has llama.rope.scaling.type ${show(scaling)}`;
    throw new ModelError("model_unsupported", problem, "a model without it");
  }
  const [hiddenSize, heads] = [number("embedding_length"), number("attention.head_count")];
  const tokens = metadata.get("tokenizer.ggml.tokens");
  return checked(path, {
    layers: number("block_count"),
    hiddenSize,
    innerSize: number("feed_forward_length"),
    heads,
    keyHeads: number("attention.head_count_kv", heads),
    headSize: number("attention.key_length", hiddenSize / heads),
    vocabulary: number("vocab_size", Array.isArray(tokens) ? tokens.length : undefined),
    contextLength: number("context_length"),
    normEps: number("attention.layer_norm_rms_epsilon"),
    ropeBase: number("rope.freq_base", 10_000),
    ropeTraditional: true,
  });
}

function checked(path: string, config: LlamaConfig): LlamaConfig {
  const { heads, keyHeads, headSize } = config;
  if (heads % keyHeads === 0 && Number.isInteger(headSize) && headSize % 2 === 0) return config;
  throw new ModelError(
    "model_invalid",
    `${path} has ${heads} heads of size ${headSize} and ${keyHeads} of keys`,
    "an even size, and a multiple of the heads of keys",
  );
}
