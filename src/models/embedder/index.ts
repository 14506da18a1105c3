export { Embedder, type EmbedderOptions, type EmbedOptions } from "./embedder.js";
export { type Pooling, pool, readPooling } from "./pooling.js";
