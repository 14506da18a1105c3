import type { Generated, GeneratedToken, GenerateOptions } from "../models/index.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { SessionModels } from "./models.js";
import type { NextToken } from "./results.js";
import type { Sender } from "./sender.js";
import type { SessionSnapshots } from "./snapshots.js";

/** A generation that a client named. */
interface SessionGeneration {
  readonly id: number;
  readonly queue: number;
  readonly tokens: AsyncGenerator<GeneratedToken, Generated>;
  readonly aborted: AbortController;
  /** The model is used no longer. */
  readonly over: () => void;
}

/** The parts of a session that its generations use. */
interface Parts {
  readonly sender: Sender;
  readonly models: SessionModels;
  readonly snapshots: SessionSnapshots;
  readonly limits: { readonly subscriptions: number };
}

/** The texts that one session has language models write, by the ids that its client chose. A token is computed when it is asked for. */
export class SessionGenerations {
  readonly #parts: Parts;
  readonly #generations = new Map<number, SessionGeneration>();
  /** The requests without an answer, with what they wait for. */
  readonly #waiting = new Map<number, SessionGeneration>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The number of requests without an answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Begins a generation; answers `generate` with the first token. */
  generate(request: number, message: MessageOf<"generate">): void {
    const { generation: id, queue, prompt } = message;
    if (this.#generations.has(id)) {
      throw new ProtocolError(
        "generation_taken",
        `there is a generation ${id} already`,
        "a new id",
      );
    }
    const most = this.#parts.limits.subscriptions;
    if (this.#generations.size >= most) {
      throw new ProtocolError("subscription_limit_exceeded", `the session has ${most} generations`);
    }
    const aborted = new AbortController();
    const options = { ...this.#optionsOf(message.options), signal: aborted.signal };
    const { model, over } = this.#parts.models.use(message.model, "language");
    try {
      const tokens = isChat(prompt)
        ? model.chat(prompt, options)
        : model.generate(prompt as string | readonly number[], options);
      const generation = { id, queue, tokens, aborted, over };
      this.#answer(request, generation);
      this.#generations.set(id, generation);
    } catch (error) {
      over();
      throw error;
    }
  }

  /** Answers `next_token`. @throws ProtocolError `generation_unknown` */
  next(request: number, id: number): void {
    const generation = this.#generations.get(id);
    if (generation === undefined) {
      throw new ProtocolError("generation_unknown", `there is no generation ${id}, or it is over`);
    }
    this.#answer(request, generation);
  }

  /** Takes `close_generation`. */
  close(id: number): void {
    const generation = this.#generations.get(id);
    if (generation !== undefined) this.#end(generation, "the generation was closed");
  }

  /** Ends the generations of a queue. */
  closeQueue(queue: number): void {
    for (const generation of [...this.#generations.values()]) {
      if (generation.queue === queue) this.#end(generation, "the queue was closed");
    }
  }

  /** Takes `cancel`. */
  cancel(request: number, reason: string): void {
    const generation = this.#waiting.get(request);
    if (generation !== undefined) this.#end(generation, reason);
  }

  /** The session ends. */
  closeAll(): void {
    for (const id of [...this.#generations.keys()]) this.close(id);
  }

  #answer(request: number, generation: SessionGeneration): void {
    if (this.#waiting.has(request)) {
      throw new ProtocolError("request_taken", `there is a request ${request} already`);
    }
    this.#waiting.set(request, generation);
    generation.tokens
      .next()
      .then((result) => {
        generation.aborted.signal.throwIfAborted();
        if (result.done) this.#forget(generation);
        this.#parts.sender.ok<"next_token">(request, tokenOf(result));
      })
      .catch((error) => {
        this.#forget(generation);
        this.#parts.sender.error(request, error);
      })
      .finally(() => this.#waiting.delete(request));
  }

  #optionsOf(given: MessageOf<"generate">["options"]): GenerateOptions {
    const options = {
      maxTokens: given.max_tokens,
      temperature: given.temperature,
      topK: given.top_k,
      topP: given.top_p,
      repetitionPenalty: given.repetition_penalty,
      seed: given.seed,
      stop: given.stop,
      snapshot:
        given.snapshot === undefined ? undefined : this.#parts.snapshots.find(given.snapshot),
    };
    return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  }

  /** Ends a generation before its time: the requests that wait for it fail. */
  #end(generation: SessionGeneration, reason: string): void {
    this.#forget(generation);
    generation.aborted.abort(new ProtocolError("cancelled", reason));
    generation.tokens.return(undefined as never).catch(() => {});
  }

  #forget(generation: SessionGeneration): void {
    if (this.#generations.get(generation.id) === generation)
      this.#generations.delete(generation.id);
    generation.over();
  }
}

function isChat(
  prompt: MessageOf<"generate">["prompt"],
): prompt is readonly { role: string; content: string }[] {
  return typeof prompt !== "string" && typeof prompt[0] === "object";
}

function tokenOf(result: IteratorResult<GeneratedToken, Generated | undefined>): NextToken {
  if (!result.done) return { ...result.value, end: null };
  if (result.value === undefined)
    throw new ProtocolError("generation_unknown", "the generation is over");
  const { reason, promptIds, prefillMs, decodeMs } = result.value;
  const end = { reason, prompt_ids: promptIds, prefill_ms: prefillMs, decode_ms: decodeMs };
  return { token: null, text: "", end };
}
