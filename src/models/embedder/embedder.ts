import type { Engine } from "../../engine/engine.js";
import type { Jitted } from "../../engine/jit.js";
import { DavitError } from "../../error.js";
import type { EventHandler } from "../../hooks/event.js";
import type { SubscriptionOptions } from "../../hooks/policy.js";
import type { Subscription } from "../../hooks/subscription.js";
import type { Tensor } from "../../native-tensor.js";
import { show } from "../../show.js";
import type { Traced } from "../../trace/index.js";
import { type Bert, openBert } from "../bert/index.js";
import { ModelError } from "../error.js";
import { type MaterializedModule, materialize } from "../materialize.js";
import { longestText, TextTokenizer } from "../tokenizer.js";
import { batchesOf, type Row, type RowBatch } from "./batches.js";
import { LaneQueues } from "./lane-queues.js";
import { checkPooling, type Pooling, pool, readPooling } from "./pooling.js";

/** Options of {@link Embedder.open}. */
export interface EmbedderOptions {
  /** In place of the pooling that the folder names. */
  readonly pooling?: Pooling;
}

/** Options of {@link Embedder.embed}. */
export interface EmbedOptions {
  /** Cancels the runs of this call. */
  readonly signal?: AbortSignal;
  /**
   * What happens to a text that has more tokens than the model takes: `"truncate"` computes its first ones, `"refuse"` throws `text_too_long`.
   * Default: `"truncate"`.
   */
  readonly tooLong?: "truncate" | "refuse";
}

/** Texts are tokenized for so many milliseconds before others have their turn. */
const TURN = 10;

/**
 * A model that makes vectors of texts: an encoder whose weights everybody shares, its tokenizer and its pooling.
 *
 * @example
 * ```ts
 * const embedder = await Embedder.open(engine, "all-MiniLM-L6-v2");
 * const [a, b] = await embedder.embed(["A davit is a crane.", "The crew lowers the boat."]);
 * ```
 */
export class Embedder implements Disposable {
  /** The encoder. */
  readonly model: MaterializedModule<Bert>;
  /** What turns texts into tokens. */
  readonly tokenizer: TextTokenizer;
  /** How the vectors of tokens become one. */
  readonly pooling: Pooling;
  /** How many numbers a vector has. */
  readonly dimension: number;
  readonly #size: number;
  readonly #engine: Engine;
  readonly #queues: LaneQueues;
  readonly #encode: Jitted<Traced>;

  private constructor(
    engine: Engine,
    model: MaterializedModule<Bert>,
    tokenizer: TextTokenizer,
    pooling: Pooling,
    size: number,
  ) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.pooling = pooling;
    this.dimension = pooling.dimension ?? size;
    this.#size = size;
    this.#engine = engine;
    this.#queues = new LaneQueues(engine);
    this.#encode = engine.jit(function embed(ids: Traced, mask: Traced) {
      return pool(model.forward(ids, mask), mask, pooling);
    });
  }

  /**
   * Opens a Hugging Face folder, as sentence-transformers writes it, and reads its weights.
   * @throws FileError, ModelError, WeightsError
   */
  static async open(
    engine: Engine,
    folder: string,
    options: EmbedderOptions = {},
  ): Promise<Embedder> {
    const { bert, config } = await openBert(engine, folder);
    const pooling = options.pooling ?? (await readPooling(folder));
    checkPooling(pooling, config.size);
    const longest = await longestText(folder, config.positions);
    const tokenizer = await TextTokenizer.open(folder, longest);
    return new Embedder(engine, await materialize(bert), tokenizer, pooling, config.size);
  }

  /** Returns an embedder with another pooling, over the same weights. @throws ModelError `pooling_invalid` */
  withPooling(pooling: Pooling): Embedder {
    checkPooling(pooling, this.#size);
    return new Embedder(this.#engine, this.model, this.tokenizer, pooling, this.#size);
  }

  /**
   * Returns a vector for each text, in the order of the texts; with the pooling `none` the vectors of its tokens, one after the other. Texts are computed in
   * batches of about one length. Calls overlap: each batch goes to the lane that has least to do.
   *
   * @throws ModelError `text_too_long` where `tooLong` is `"refuse"`, DavitError `argument_invalid` for what is no list of texts
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    const rows = await this.#tokenize(texts, options.tooLong ?? "truncate");
    const vectors: Float32Array[] = new Array(texts.length);
    const batches = batchesOf(rows, this.tokenizer.longest);
    const work = async () => {
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        await this.#compute(batch, vectors, options.signal);
      }
    };
    try {
      await Promise.all(Array.from({ length: this.#queues.size }, work));
    } finally {
      batches.length = 0;
    }
    return vectors;
  }

  /** Calls a handler with every event of the hooks of this name in this embedder's runs: `encoder.0` and so on, one for each layer. */
  on(name: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.#encode.on(name, handler, options);
  }

  /** As {@link Embedder.on}, with every event of the labelled nodes that a glob matches. */
  probe(glob: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.#encode.probe(glob, handler, options);
  }

  /** Frees its programs; the weights are freed when nobody refers to them. It cannot be used any more. */
  dispose(): void {
    this.#encode.dispose();
    this.#queues.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #tokenize(texts: readonly string[], tooLong: "truncate" | "refuse"): Promise<Row[]> {
    checkTexts(texts);
    const rows: Row[] = [];
    let turn = performance.now();
    for (const [index, text] of texts.entries()) {
      if (tooLong === "refuse" && this.tokenizer.isTooLong(text)) {
        const problem = `text ${index} has more than ${this.tokenizer.longest} tokens: ${show(text)}`;
        throw new ModelError("text_too_long", problem, 'a shorter one, or tooLong: "truncate"');
      }
      rows.push({ index, ids: this.tokenizer.ids(text) });
      if (performance.now() - turn < TURN) continue;
      await new Promise(setImmediate);
      turn = performance.now();
    }
    return rows;
  }

  async #compute(
    { rows, length }: RowBatch,
    vectors: Float32Array[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const engine = this.#engine;
    const { count, ids, mask } = this.tokenizer.pad(
      rows.map((row) => row.ids),
      length,
    );
    const shape = [count, length];
    const inputs = [
      engine.fromBytes(new Uint8Array(ids.buffer), { dtype: "int32", shape }),
      engine.fromBytes(new Uint8Array(mask.buffer), { dtype: "float32", shape }),
    ] as const;
    const queue = this.#queues.take();
    let output: Tensor | undefined;
    try {
      const options = { queue, ...(signal === undefined ? {} : { signal }) };
      output = await this.#encode.with(options, ...inputs);
      const all = output.view() as Float32Array;
      rows.forEach((row, at) => {
        vectors[row.index] = this.#vectorOf(all, at, length, row.ids.length);
      });
    } finally {
      this.#queues.release(queue);
      for (const tensor of [...inputs, output]) tensor?.dispose();
    }
  }

  /** A copy of the part of a batch's results that belongs to one text. */
  #vectorOf(all: Float32Array, row: number, length: number, tokens: number): Float32Array {
    const { dimension } = this;
    if (this.pooling.mode !== "none") return all.slice(row * dimension, (row + 1) * dimension);
    const start = row * length * dimension;
    return all.slice(start, start + tokens * dimension);
  }
}

function checkTexts(texts: readonly string[]): void {
  const wrong = Array.isArray(texts) ? texts.findIndex((text) => typeof text !== "string") : -2;
  if (wrong === -1) return;
  const problem =
    wrong === -2 ? `the texts are ${show(texts)}` : `text ${wrong} is ${show(texts[wrong])}`;
  throw new DavitError("argument_invalid", `${problem}; expected a list of texts`, {
    expected: "a list of texts",
  });
}
