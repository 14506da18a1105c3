export { Bert, BertAttention, BertEmbeddings, BertFeedForward, type BertLayer } from "./bert.js";
export type { BertConfig } from "./config.js";
export { type OpenedBert, openBert } from "./open.js";
