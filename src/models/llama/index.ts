export type { LlamaConfig } from "./config.js";
export { type KeyValueCache, Llama } from "./model.js";
export { type OpenedLlama, openLlama } from "./open.js";
