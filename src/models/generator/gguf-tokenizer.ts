import type { GgufValue } from "../../files/index.js";
import { listNames, show } from "../../show.js";
import { ModelError } from "../error.js";

const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
/** Bytes as characters, without a split of words: a regular expression has split them before. */
const BYTES_ALONE = { ...BYTE_LEVEL, use_regex: false };
const split = (regex: string) => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
    BYTES_ALONE,
  ],
});

/** How a text is split into words before tokens are made of them, by the names of GGUF's `tokenizer.ggml.pre`. */
const PRE_TOKENIZERS: Readonly<Record<string, unknown>> = {
  default: { ...BYTE_LEVEL, use_regex: true },
  "gpt-2": { ...BYTE_LEVEL, use_regex: true },
  smollm: {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: "\\p{N}" }, behavior: "Isolated", invert: false },
      { ...BYTE_LEVEL, use_regex: true },
    ],
  },
  "llama-bpe": split(
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ),
  qwen2: split(
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ),
};

/** Kinds of tokens, as GGUF numbers them, that are found in a text before it is split. */
const CONTROL = 3;
const USER_DEFINED = 4;

/** The contents of tokenizer.json and tokenizer_config.json, as the metadata of a GGUF file have them. */
export interface TokenizerFiles {
  readonly json: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Makes a tokenizer's files of the metadata of a GGUF file. @throws ModelError `model_invalid`, `tokenizer_unsupported` */
export function tokenizerOfGguf(
  metadata: ReadonlyMap<string, GgufValue>,
  path: string,
): TokenizerFiles {
  const get = (name: string) => metadata.get(`tokenizer.ggml.${name}`);
  const list = <T>(name: string): readonly T[] => {
    const value = get(name);
    if (Array.isArray(value)) return value as readonly T[];
    const problem = `${path} has tokenizer.ggml.${name} ${show(value)}`;
    throw new ModelError("model_invalid", problem, "a list");
  };
  const unsupported = (what: string, known: readonly string[]): never => {
    const problem = `${path} has tokenizer.ggml.${what} ${show(get(what))}`;
    throw new ModelError("tokenizer_unsupported", problem, `one of ${listNames(known)}`);
  };
  if (get("model") !== "gpt2") unsupported("model", ["gpt2"]);
  const pre = String(get("pre") ?? "default");
  if (!Object.hasOwn(PRE_TOKENIZERS, pre)) unsupported("pre", Object.keys(PRE_TOKENIZERS));

  const tokens = list<string>("tokens");
  const kinds = list<number>("token_type");
  const added = tokens.flatMap((content, id) =>
    kinds[id] === CONTROL || kinds[id] === USER_DEFINED
      ? [{ id, content, special: kinds[id] === CONTROL, normalized: false }]
      : [],
  );
  const token = (name: string) => {
    const id = get(`${name}_token_id`);
    return typeof id === "number" ? tokens[id] : undefined;
  };
  const bos = token("bos");
  return {
    json: {
      version: "1.0",
      added_tokens: added.map((one) => ({
        ...one,
        single_word: false,
        lstrip: false,
        rstrip: false,
      })),
      normalizer: null,
      pre_tokenizer: PRE_TOKENIZERS[pre],
      post_processor:
        get("add_bos_token") === true && bos !== undefined ? beginningWith(bos, tokens) : null,
      decoder: { ...BYTE_LEVEL, use_regex: true },
      model: {
        type: "BPE",
        vocab: Object.fromEntries(tokens.map((content, id) => [content, id])),
        merges: list<string>("merges"),
        ignore_merges: pre === "llama-bpe",
      },
    },
    config: {
      chat_template: metadata.get("tokenizer.chat_template"),
      bos_token: bos,
      eos_token: token("eos"),
    },
  };
}

/** Puts a token in front of each text. */
function beginningWith(content: string, tokens: readonly string[]): unknown {
  return {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: content, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [],
    special_tokens: {
      [content]: { id: content, ids: [tokens.indexOf(content)], tokens: [content] },
    },
  };
}
