import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";

/** Sentences as the model takes them: `count` rows of `length` tokens, short rows filled up with padding. */
export interface Batch {
  readonly count: number;
  readonly length: number;
  readonly ids: Int32Array;
  /** 1 for a token, 0 for padding. */
  readonly mask: Float32Array;
}

/** Turns sentences into tokens, as sentence-transformers does it for a BERT model. */
export class SentenceTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #longest: number;

  private constructor(tokenizer: Tokenizer, longest: number) {
    this.#tokenizer = tokenizer;
    this.#longest = longest;
  }

  /** Reads the tokenizer of a model folder. */
  static async load(folder: string): Promise<SentenceTokenizer> {
    const json = async (name: string) => JSON.parse(await readFile(join(folder, name), "utf8"));
    const tokenizer = new Tokenizer(
      await json("tokenizer.json"),
      await json("tokenizer_config.json"),
    );
    return new SentenceTokenizer(
      tokenizer,
      (await json("sentence_bert_config.json")).max_seq_length,
    );
  }

  /** The tokens of one sentence: [CLS] … [SEP], cut to the longest that the model was trained for. */
  ids(sentence: string): number[] {
    const { ids } = this.#tokenizer.encode(sentence);
    if (ids.length <= this.#longest) return ids;
    return [...ids.slice(0, this.#longest - 1), ids.at(-1) as number];
  }

  /** Several sentences, padded to the longest of them. */
  batch(sentences: readonly string[]): Batch {
    const rows = sentences.map((sentence) => this.ids(sentence));
    const length = Math.max(0, ...rows.map((row) => row.length));
    const ids = new Int32Array(rows.length * length); // the padding token is 0
    const mask = new Float32Array(ids.length);
    rows.forEach((row, index) => {
      ids.set(row, index * length);
      mask.fill(1, index * length, index * length + row.length);
    });
    return { count: rows.length, length, ids, mask };
  }
}
