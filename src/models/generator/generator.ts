import type { Engine } from "../../engine/engine.js";
import { DavitError } from "../../error.js";
import type { EventHandler } from "../../hooks/event.js";
import type { SubscriptionOptions } from "../../hooks/policy.js";
import type { Subscription } from "../../hooks/subscription.js";
import { show } from "../../show.js";
import { mx, type Traced } from "../../trace/index.js";
import { ModelError } from "../error.js";
import { type KeyValueCache, type Llama, openLlama } from "../llama/index.js";
import { type MaterializedModule, materialize } from "../materialize.js";
import { TokenCaches } from "./cache.js";
import { Context, type ContextParts, disposeScores } from "./context.js";
import { Sampler, type SamplingOptions } from "./sampler.js";
import type { PromptSnapshot } from "./snapshot.js";
import { TextStream } from "./text-stream.js";
import { type ChatMessage, LanguageTokenizer } from "./tokenizer.js";

/** Options of {@link Generator.generate}. */
export interface GenerateOptions extends SamplingOptions {
  /** The most tokens that are generated. As many as fit into the model's context by default. */
  readonly maxTokens?: number;
  /** Texts that end the generation; they are not part of its text. */
  readonly stop?: readonly string[];
  /** The first tokens of the prompt that are computed already: see {@link Generator.snapshot}. */
  readonly snapshot?: PromptSnapshot;
  /** Whether the result has a snapshot of all that was computed, for a text that goes on from there. */
  readonly keep?: boolean;
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
  /** With {@link GenerateOptions.keep}: what was computed. Whoever asked for it disposes of it. */
  readonly snapshot?: PromptSnapshot;
}

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
  readonly #parts: ContextParts;

  private constructor(
    engine: Engine,
    model: MaterializedModule<Llama>,
    tokenizer: LanguageTokenizer,
  ) {
    this.model = model;
    this.tokenizer = tokenizer;
    const step = engine.jit(function generate(
      cache: KeyValueCache,
      ids: Traced,
      position: Traced,
      last: Traced,
    ) {
      const [next, scores] = model.forward(cache, ids, position, last);
      return [next, { scores, likeliest: mx.argmax(scores) }] as const;
    });
    this.#parts = { engine, step, caches: new TokenCaches(engine, model.config) };
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
    const { signal } = options;
    const sampler = new Sampler(options);
    const maxTokens = checkCount(options.maxTokens);
    const stop = checkStop(options.stop ?? []);
    const promptIds = this.#check(this.#idsOf(prompt));
    const { contextLength } = this.model.config;
    const stream = new TextStream((ids) => this.tokenizer.decode(ids), stop);
    const seen = new Set(promptIds);
    const tokens: number[] = [];
    const started = performance.now();
    let reason: Generated["reason"] | undefined;
    const context = await Context.begin(this.#parts, promptIds, options.snapshot);
    const next = async (ids: readonly number[]) => {
      const result = await context.compute(ids, signal);
      try {
        return sampler.nextOf(result, seen);
      } finally {
        disposeScores(result);
      }
    };
    try {
      let token = await next(promptIds.slice(context.length));
      const first = performance.now();
      while (reason === undefined) {
        if (this.tokenizer.endTokens.has(token)) {
          const text = stream.end();
          reason = "stop";
          if (text !== "") yield { token, text };
          break;
        }
        tokens.push(token);
        seen.add(token);
        const text = stream.push(token);
        if (stream.stopped) reason = "stop";
        else if (tokens.length >= maxTokens) reason = "length";
        else if (promptIds.length + tokens.length >= contextLength) reason = "context";
        yield { token, text: reason === undefined ? text : text + stream.end() };
        signal?.throwIfAborted();
        if (reason === undefined) token = await next([token]);
      }
      const [prefillMs, decodeMs] = [first - started, performance.now() - first];
      const kept = options.keep === true ? { snapshot: await context.keep() } : {};
      return { promptIds, tokens, text: stream.text, reason, prefillMs, decodeMs, ...kept };
    } finally {
      context.dispose();
    }
  }

  /**
   * Computes the first tokens of prompts, such as a long system message, and keeps them for the option `snapshot` of {@link Generator.generate}. Of
   * messages it takes all that the chat template makes of them but the beginning of an answer.
   * @throws ModelError `prompt_invalid`, `text_too_long`, `chat_unsupported`
   */
  async snapshot(
    prompt: string | readonly number[] | readonly ChatMessage[],
    options: Pick<GenerateOptions, "signal" | "snapshot"> = {},
  ): Promise<PromptSnapshot> {
    const ids = this.#check(this.#idsOf(prompt));
    const context = await Context.begin(this.#parts, ids, options.snapshot);
    try {
      disposeScores(await context.compute(ids.slice(context.length), options.signal));
      return await context.keep();
    } finally {
      context.dispose();
    }
  }

  /** Calls a handler with every event of the model's hooks of this name: `attention` of each layer, and `logits`. */
  on(name: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.#parts.step.on(name, handler, options);
  }

  /** Calls a handler with every event of the labelled nodes that a glob matches, such as `layers.3.attention*`. */
  probe(glob: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.#parts.step.probe(glob, handler, options);
  }

  /** Frees its programs and weights; a generation under way fails. */
  dispose(): void {
    this.#parts.step.dispose();
    this.#parts.caches.dispose();
    for (const tensor of Object.values(this.model.parameters())) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #idsOf(prompt: string | readonly (number | ChatMessage)[]): readonly number[] {
    if (typeof prompt === "string") return this.tokenizer.encode(prompt);
    const [first] = prompt;
    if (typeof first !== "object") return prompt as readonly number[];
    const text = this.tokenizer.chat(prompt as readonly ChatMessage[], { answer: false });
    return this.tokenizer.encode(text);
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

function checkCount(maxTokens: number | undefined): number {
  if (maxTokens === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isInteger(maxTokens) && maxTokens > 0) return maxTokens;
  const expected = "a whole number above 0";
  throw new DavitError("option_invalid", `maxTokens is ${show(maxTokens)}; expected ${expected}`, {
    expected,
  });
}

/** An empty text would end each generation before it begins. */
function checkStop(stop: readonly string[]): readonly string[] {
  const isText = (one: unknown) => typeof one === "string" && one !== "";
  if (Array.isArray(stop) && stop.every(isText)) return stop;
  const expected = "a list of texts that are not empty";
  throw new DavitError("option_invalid", `stop is ${show(stop)}; expected ${expected}`, {
    expected,
  });
}
