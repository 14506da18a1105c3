export { ModelError, type ModelErrorCode } from "./error.js";
export { WeightsError, type WrongWeight } from "./faults.js";
export {
  Embedding,
  LayerNorm,
  Linear,
  type Quantization,
  QuantizedEmbedding,
  QuantizedLinear,
  RMSNorm,
} from "./layers/index.js";
export { isMaterialized, type MaterializedModule, materialize } from "./materialize.js";
export { Module, type NamedTensors, type Parameters, withParameters } from "./module.js";
export { type LinearSizes, WeightReader } from "./reader.js";
export type { Parameter } from "./walk.js";
export { openWeights, type Weight, Weights } from "./weights.js";
