export {
  type Generated,
  type GeneratedToken,
  type GenerateOptions,
  Generator,
} from "./generator.js";
export { Sampler, type SamplingOptions } from "./sampler.js";
export type { PromptSnapshot } from "./snapshot.js";
export { type ChatMessage, LanguageTokenizer } from "./tokenizer.js";
