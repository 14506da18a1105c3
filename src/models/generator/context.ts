import type { Engine } from "../../engine/engine.js";
import type { Jitted } from "../../engine/jit.js";
import type { Tensor } from "../../native-tensor.js";
import type { Traced } from "../../trace/index.js";
import type { KeyValueCache } from "../llama/index.js";
import type { TokenCache, TokenCaches } from "./cache.js";
import { PromptSnapshot } from "./snapshot.js";

/** What a step results in: scores float32 [vocabulary] of the token that follows, and the likeliest one. */
export type Scores<T> = {
  readonly scores: T;
  readonly likeliest: T;
};

/** A step: computes tokens, and writes their keys and values into the cache. */
export type Step = Jitted<readonly [KeyValueCache, Scores<Traced>]>;

/** The most tokens that one run computes; the program for fewer has the next power of two. */
const LONGEST_RUN = 512;
const SHORTEST_RUN = 16;

/** What the contexts of one model have in common. */
export interface ContextParts {
  readonly engine: Engine;
  readonly step: Step;
  readonly caches: TokenCaches;
}

/** The tokens of one text that are computed, with their keys and values. */
export class Context implements Disposable {
  readonly #parts: ContextParts;
  readonly #ids: number[];
  #cache: TokenCache;

  private constructor(parts: ContextParts, cache: TokenCache, ids: number[]) {
    this.#parts = parts;
    this.#cache = cache;
    this.#ids = ids;
  }

  /** Begins a text with tokens that are to be computed; those that a snapshot has are there already, apart from the last one. */
  static async begin(
    parts: ContextParts,
    prompt: readonly number[],
    snapshot: PromptSnapshot | undefined,
  ): Promise<Context> {
    const common = snapshot?.inCommon(prompt.slice(0, -1)) ?? 0;
    if (snapshot === undefined || common === 0) {
      return new Context(parts, await parts.caches.make(), []);
    }
    return new Context(parts, await snapshot.copy(parts), prompt.slice(0, common));
  }

  /** The number of tokens that are computed. */
  get length(): number {
    return this.#ids.length;
  }

  /** Computes the tokens that come next; returns the scores of the one that follows the last, which the caller disposes of. */
  async compute(ids: readonly number[], signal?: AbortSignal): Promise<Scores<Tensor>> {
    let result: Scores<Tensor> | undefined;
    for (let at = 0; at < ids.length; at += LONGEST_RUN) {
      if (result !== undefined) disposeScores(result);
      result = await this.#run(ids.slice(at, at + LONGEST_RUN), signal);
    }
    return result as Scores<Tensor>;
  }

  /** Keeps what is computed, for other texts that begin in the same way. */
  async keep(): Promise<PromptSnapshot> {
    const { state, capacity } = this.#cache;
    const cache = { state: await state.snapshot(), capacity };
    return new PromptSnapshot([...this.#ids], cache, this.#parts);
  }

  /** Frees the keys and values. */
  dispose(): void {
    this.#cache.state.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #run(ids: readonly number[], signal: AbortSignal | undefined): Promise<Scores<Tensor>> {
    const { engine, step, caches } = this.#parts;
    const position = this.#ids.length;
    const length = paddedLength(ids.length);
    this.#cache = await caches.grown(this.#cache, position + length);
    const given = Int32Array.from({ length }, (_, n) => ids[n] ?? 0);
    const inputs = [
      engine.fromBytes(new Uint8Array(given.buffer), { dtype: "int32", shape: [1, length] }),
      scalar(engine, position),
      scalar(engine, ids.length - 1),
    ];
    try {
      const options = signal === undefined ? {} : { signal };
      const result = await this.#cache.state.exclusive((held) => held.apply(step, inputs, options));
      await result.scores.ready;
      this.#ids.push(...ids);
      return result;
    } finally {
      for (const tensor of inputs) tensor.dispose();
    }
  }
}

/** Frees the results of a step. */
export function disposeScores({ scores, likeliest }: Scores<Tensor>): void {
  scores.dispose();
  likeliest.dispose();
}

function scalar(engine: Engine, value: number): Tensor {
  const bytes = new Uint8Array(Int32Array.of(value).buffer);
  return engine.fromBytes(bytes, { dtype: "int32", shape: [] });
}

/** The length of the run that computes so many tokens. */
function paddedLength(tokens: number): number {
  if (tokens === 1) return 1;
  let length = SHORTEST_RUN;
  while (length < tokens) length *= 2;
  return length;
}
