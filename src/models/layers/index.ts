export { Embedding, QuantizedEmbedding } from "./embedding.js";
export { Linear, type Quantization, QuantizedLinear } from "./linear.js";
export { LayerNorm, RMSNorm } from "./norm.js";
