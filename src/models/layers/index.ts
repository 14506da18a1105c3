export { ACTIVATIONS, type Activation, isActivation } from "./activation.js";
export { Embedding, QuantizedEmbedding } from "./embedding.js";
export { Linear, type Quantization, QuantizedLinear } from "./linear.js";
export { LayerNorm, RMSNorm } from "./norm.js";
