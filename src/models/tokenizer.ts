import { join } from "node:path";
import type { Tokenizer } from "@huggingface/tokenizers";
import { show } from "../show.js";
import { ModelError } from "./error.js";
import { makeTokenizer } from "./hugging-face-tokenizer.js";
import { ifThere, type JsonObject, readJson } from "./json.js";

/** Texts as a model takes them: `count` rows of `length` tokens, short rows filled up with padding. */
export interface TokenBatch {
  /** Rows. */
  readonly count: number;
  /** Tokens of a row. */
  readonly length: number;
  /** Ids of tokens, row by row. */
  readonly ids: Int32Array;
  /** 1 for a token, 0 for padding. */
  readonly mask: Float32Array;
}

/** Above so many characters a text is not read to its end, where its first tokens are enough. */
const LONG_TEXT = 4096;

/** Turns texts into the tokens of a model, with the special ones that the model was trained with. */
export class TextTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #padding: number;
  readonly #special: number;
  readonly #endsAtSpaces: boolean;

  /** Makes a tokenizer of the content of its files. @throws ModelError `tokenizer_unsupported` */
  constructor(
    json: JsonObject,
    config: JsonObject,
    /** The most tokens of a text. */
    readonly longest: number,
    path: string,
  ) {
    this.#tokenizer = makeTokenizer(json, config, path);
    this.#special = this.#tokenizer.encode("").ids.length;
    this.#padding = paddingOf(this.#tokenizer, json, config);
    this.#endsAtSpaces = (json.pre_tokenizer as JsonObject | null)?.type === "BertPreTokenizer";
  }

  /**
   * Reads the tokenizer of a Hugging Face folder: tokenizer.json and, where it is there, tokenizer_config.json.
   * @throws FileError, ModelError `tokenizer_unsupported`
   */
  static async open(folder: string, longest: number): Promise<TextTokenizer> {
    const path = join(folder, "tokenizer.json");
    const config = await ifThere(readJson(join(folder, "tokenizer_config.json")));
    return new TextTokenizer(await readJson(path), config ?? {}, longest, path);
  }

  /**
   * The tokens of a text, special ones among them. Of a text that is too long the first tokens are kept, and the special ones at its end.
   * An empty text has the special tokens alone; where there are none, it is one token of padding.
   */
  ids(text: string): number[] {
    const ids = this.#encode(text);
    return ids.length === 0 ? [this.#padding] : this.#cut(ids);
  }

  /** Returns whether a text has more tokens than the model takes. */
  isTooLong(text: string): boolean {
    return this.#encode(text).length > this.longest;
  }

  /** Several texts, padded to the longest of them, or to `length`. */
  batch(texts: readonly string[], length?: number): TokenBatch {
    return this.pad(
      texts.map((text) => this.ids(text)),
      length,
    );
  }

  /** Rows of tokens, padded to the longest of them, or to `length`. */
  pad(rows: readonly (readonly number[])[], length = longestOf(rows)): TokenBatch {
    const ids = new Int32Array(rows.length * length).fill(this.#padding);
    const mask = new Float32Array(ids.length);
    rows.forEach((row, index) => {
      ids.set(row, index * length);
      mask.fill(1, index * length, index * length + row.length);
    });
    return { count: rows.length, length, ids, mask };
  }

  #cut(ids: number[]): number[] {
    if (ids.length <= this.longest) return ids;
    // Special tokens are at the end, as [SEP] is: one, where there are two or more in all.
    const after = Math.min(1, Math.max(0, this.#special - 1));
    return [...ids.slice(0, this.longest - after), ...ids.slice(ids.length - after)];
  }

  /**
   * The tokens of a text; of a long one those of its beginning, where they are more than the model takes. A tokenizer that splits at spaces
   * gives a beginning that ends before a space the same tokens as the whole text.
   */
  #encode(text: string): number[] {
    for (let length = LONG_TEXT; this.#endsAtSpaces && length < text.length; length *= 4) {
      const space = text.slice(0, length).search(/ \S*$/);
      if (space === -1) continue;
      const { ids } = this.#tokenizer.encode(text.slice(0, space));
      if (ids.length > this.longest) return ids;
    }
    return this.#tokenizer.encode(text).ids;
  }
}

function longestOf(rows: readonly (readonly number[])[]): number {
  return rows.reduce((longest, row) => Math.max(longest, row.length), 0);
}

/** The id of padding. Attention does not see it, so any id of the vocabulary does. */
function paddingOf(tokenizer: Tokenizer, json: JsonObject, config: JsonObject): number {
  const id = (json.padding as JsonObject | null | undefined)?.pad_id;
  if (typeof id === "number" && Number.isInteger(id) && id >= 0) return id;
  return tokenizer.token_to_id(String(config.pad_token ?? "[PAD]")) ?? 0;
}

/**
 * The most tokens of a text for a model with so many positions: what sentence_bert_config.json or tokenizer_config.json say, if it is less.
 * @throws FileError
 */
export async function longestText(folder: string, positions: number): Promise<number> {
  const read = async (name: string, key: string) => {
    const value = (await ifThere(readJson(join(folder, name))))?.[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "number" && value >= 1) return Math.floor(value);
    const problem = `${join(folder, name)}: ${key} is ${show(value)}`;
    throw new ModelError("model_invalid", problem, "a number of tokens");
  };
  const longest =
    (await read("sentence_bert_config.json", "max_seq_length")) ??
    (await read("tokenizer_config.json", "model_max_length")) ??
    positions;
  return Math.min(longest, positions);
}
