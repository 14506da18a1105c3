import type { Engine } from "../../engine/engine.js";
import type { Jitted } from "../../engine/jit.js";
import { DavitError } from "../../error.js";
import type { EventHandler } from "../../hooks/event.js";
import type { SubscriptionOptions } from "../../hooks/policy.js";
import type { Subscription } from "../../hooks/subscription.js";
import { show } from "../../show.js";
import type { Traced } from "../../trace/index.js";
import { ModelError } from "../error.js";
import { type KeyValueCache, type Llama, openLlama } from "../llama/index.js";
import { type MaterializedModule, materialize } from "../materialize.js";
import { type TokenCache, TokenCaches } from "./cache.js";
import { Sampler, type SamplingOptions } from "./sampler.js";
import { TextStream } from "./text-stream.js";
import { type ChatMessage, LanguageTokenizer } from "./tokenizer.js";

/** Options of {@link Generator.generate}. */
export interface GenerateOptions extends SamplingOptions {
  /** The most tokens that are generated. As many as fit into the model's context by default. */
  readonly maxTokens?: number;
  /** Texts that end the generation; they are not part of its text. */
  readonly stop?: readonly string[];
  /** Ends the generation between two tokens, and the run under way. */
  readonly signal?: AbortSignal;
}

/**
 * A token, and the text that is certain with it: of a character in parts, all comes with the last one. The token that ends the text comes
 * only where text is left.
 */
export interface GeneratedToken {
  /** Its number in the vocabulary. */
  readonly token: number;
  /** What was not told before; may be empty. */
  readonly text: string;
}

/** What was generated. */
export interface Generated {
  /** The tokens of the prompt. */
  readonly promptIds: readonly number[];
  /** The tokens that were generated; the one that ended it is not among them. */
  readonly tokens: readonly number[];
  /** All of the text, up to a stop text. */
  readonly text: string;
  /** Why it ended: the model ended it or a stop text came, `maxTokens` were there, or the context is full. */
  readonly reason: "stop" | "length" | "context";
  /** Milliseconds until the first token. */
  readonly prefillMs: number;
  /** Milliseconds from the first token to the last. */
  readonly decodeMs: number;
}

/** The most tokens of a prompt that one run computes; the program for fewer has the next power of two. */
const LONGEST_RUN = 512;
const SHORTEST_RUN = 16;

/**
 * A language model that writes: weights that everybody shares, and a cache of keys and values for each text.
 *
 * @example
 * ```ts
 * const generator = await Generator.open(engine, "SmolLM2-135M-Instruct.Q4_1.gguf");
 * for await (const { text } of generator.chat([{ role: "user", content: "What is a davit?" }])) {
 *   process.stdout.write(text);
 * }
 * ```
 */
export class Generator implements Disposable {
  /** The model. */
  readonly model: MaterializedModule<Llama>;
  /** What turns texts into tokens, and back. */
  readonly tokenizer: LanguageTokenizer;
  readonly #step: Jitted<readonly [KeyValueCache, Traced]>;
  readonly #caches: TokenCaches;
  readonly #engine: Engine;

  private constructor(
    engine: Engine,
    model: MaterializedModule<Llama>,
    tokenizer: LanguageTokenizer,
  ) {
    this.#engine = engine;
    this.model = model;
    this.tokenizer = tokenizer;
    this.#step = engine.jit(function generate(
      cache: KeyValueCache,
      ids: Traced,
      position: Traced,
      last: Traced,
    ) {
      return model.forward(cache, ids, position, last);
    });
    this.#caches = new TokenCaches(engine, model.config);
  }

  /**
   * Opens a language model of Llama's kind, a GGUF file or a folder as Hugging Face has it, and reads its weights.
   * @throws FileError, ModelError, WeightsError
   */
  static async open(engine: Engine, path: string): Promise<Generator> {
    const { model, weights } = await openLlama(engine, path);
    const tokenizer = await LanguageTokenizer.open(weights, path);
    return new Generator(engine, await materialize(model), tokenizer);
  }

  /** As {@link Generator.generate}, with the answer to a chat. @throws ModelError `chat_unsupported` */
  chat(
    messages: readonly ChatMessage[],
    options?: GenerateOptions,
  ): AsyncGenerator<GeneratedToken, Generated> {
    return this.generate(this.tokenizer.chat(messages), options);
  }

  /**
   * Generates tokens that go on after a prompt, one at a time: the next one is computed when it is asked for. Several generations at once share
   * the weights.
   * @throws DavitError `option_invalid`; ModelError `text_too_long` where the prompt leaves no room in the model's context
   */
  async *generate(
    prompt: string | readonly number[],
    options: GenerateOptions = {},
  ): AsyncGenerator<GeneratedToken, Generated> {
    const { signal, stop = [] } = options;
    const sampler = new Sampler(options);
    const maxTokens = checkCount(options.maxTokens);
    const promptIds = this.#check(
      typeof prompt === "string" ? this.tokenizer.encode(prompt) : prompt,
    );
    const { contextLength } = this.model.config;
    const stream = new TextStream((ids) => this.tokenizer.decode(ids), stop);
    const seen = new Set(promptIds);
    const tokens: number[] = [];
    const started = performance.now();
    let first: number | undefined;
    let reason: Generated["reason"] | undefined;
    let cache = await this.#caches.make();
    const compute = async (ids: readonly number[], position: number) => {
      cache = await this.#caches.grown(cache, position + paddedLength(ids.length));
      return await this.#logits(cache.state, ids, position, signal);
    };
    try {
      let logits: Float32Array | undefined;
      for (let at = 0; at < promptIds.length; at += LONGEST_RUN) {
        logits = await compute(promptIds.slice(at, at + LONGEST_RUN), at);
      }
      while (reason === undefined) {
        const token = sampler.next(logits as Float32Array, seen);
        first ??= performance.now();
        if (this.tokenizer.endTokens.has(token)) {
          const text = stream.end();
          reason = "stop";
          if (text !== "") yield { token, text };
          break;
        }
        tokens.push(token);
        seen.add(token);
        const text = stream.push(token);
        const length = promptIds.length + tokens.length;
        if (stream.stopped) reason = "stop";
        else if (tokens.length >= maxTokens) reason = "length";
        else if (length >= contextLength) reason = "context";
        yield { token, text: reason === undefined ? text : text + stream.end() };
        signal?.throwIfAborted();
        if (reason === undefined) logits = await compute([token], length - 1);
      }
      const [prefillMs, decodeMs] = [
        (first ?? started) - started,
        performance.now() - (first ?? 0),
      ];
      return { promptIds, tokens, text: stream.text, reason, prefillMs, decodeMs };
    } finally {
      cache.state.dispose();
    }
  }

  /** Calls a handler with every event of the model's hooks of this name: `attention` of each layer, and `logits`. */
  on(name: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.#step.on(name, handler, options);
  }

  /** Calls a handler with every event of the labelled nodes that a glob matches, such as `layers.3.attention*`. */
  probe(glob: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.#step.probe(glob, handler, options);
  }

  /** Frees its programs and weights; a generation under way fails. */
  dispose(): void {
    this.#step.dispose();
    this.#caches.dispose();
    for (const tensor of Object.values(this.model.parameters())) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Computes tokens that come after `position` others; returns the scores of the one that follows them. */
  async #logits(
    state: TokenCache["state"],
    ids: readonly number[],
    position: number,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const padded = Int32Array.from({ length: paddedLength(ids.length) }, (_, n) => ids[n] ?? 0);
    const type = { dtype: "int32", shape: [1, padded.length] } as const;
    const given = this.#engine.fromBytes(new Uint8Array(padded.buffer), type);
    const numbers = Int32Array.of(position, ids.length - 1);
    const scalar = (at: number) =>
      this.#engine.fromBytes(new Uint8Array(numbers.slice(at, at + 1).buffer), {
        dtype: "int32",
        shape: [],
      });
    const inputs = [given, scalar(0), scalar(1)];
    try {
      const options = signal === undefined ? {} : { signal };
      const logits = await state.exclusive((held) => held.apply(this.#step, inputs, options));
      await logits.ready;
      const scores = (logits.view() as Float32Array).slice();
      logits.dispose();
      return scores;
    } finally {
      for (const tensor of inputs) tensor.dispose();
    }
  }

  #check(ids: readonly number[]): readonly number[] {
    const { contextLength, vocabulary } = this.model.config;
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
    if (wrong !== undefined || ids.length === 0) {
      const problem =
        ids.length === 0 ? "the prompt has no tokens" : `the prompt has the token ${show(wrong)}`;
      throw new ModelError("prompt_invalid", problem, `tokens from 0 to ${vocabulary - 1}`);
    }
    if (ids.length < contextLength) return ids;
    const problem = `the prompt has ${ids.length} tokens`;
    throw new ModelError(
      "text_too_long",
      problem,
      `less than ${contextLength}, the model's context`,
    );
  }
}

/** The length of the run that computes so many tokens. */
function paddedLength(tokens: number): number {
  if (tokens === 1) return 1;
  let length = SHORTEST_RUN;
  while (length < tokens) length *= 2;
  return length;
}

function checkCount(maxTokens: number | undefined): number {
  if (maxTokens === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isInteger(maxTokens) && maxTokens > 0) return maxTokens;
  const expected = "a whole number above 0";
  throw new DavitError("option_invalid", `maxTokens is ${show(maxTokens)}; expected ${expected}`, {
    expected,
  });
}
