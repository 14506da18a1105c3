export { type Bert, type BertConfig, type OpenedBert, openBert } from "./bert/index.js";
export {
  Embedder,
  type EmbedderOptions,
  type EmbedOptions,
  type Pooling,
  pool,
  readPooling,
} from "./embedder/index.js";
export { ModelError, type ModelErrorCode } from "./error.js";
export { WeightsError, type WrongWeight } from "./faults.js";
export {
  type ChatMessage,
  type Generated,
  type GeneratedToken,
  type GenerateOptions,
  Generator,
  LanguageTokenizer,
  type PromptSnapshot,
  Sampler,
  type SamplingOptions,
} from "./generator/index.js";
export {
  Embedding,
  LayerNorm,
  Linear,
  type Quantization,
  QuantizedEmbedding,
  QuantizedLinear,
  RMSNorm,
} from "./layers/index.js";
export {
  type KeyValueCache,
  Llama,
  type LlamaConfig,
  type OpenedLlama,
  openLlama,
} from "./llama/index.js";
export { isMaterialized, type MaterializedModule, materialize } from "./materialize.js";
export { Module, type NamedTensors, type Parameters, withParameters } from "./module.js";
export { type LinearSizes, WeightReader } from "./reader.js";
export { longestText, TextTokenizer, type TokenBatch } from "./tokenizer.js";
export type { Parameter } from "./walk.js";
export { openWeights, type Weight, Weights } from "./weights.js";
