import { AsyncLocalStorage } from "node:async_hooks";
import type { QueueId } from "../native.js";

/** The parts of an engine that nested runs need. */
interface Queues {
  createQueue(): QueueId;
  closeQueue(queue: QueueId): void;
}

/** The handlers under way. */
const current = new AsyncLocalStorage<Nesting>();

/**
 * The queue for the runs that handlers start: not behind the run that waits for the handlers, for a reply or for the
 * credit of an event.
 */
export class Nesting {
  readonly #queues: Queues;
  #queue: QueueId | undefined;
  #underWay = 0;
  #closed = false;

  constructor(queues: Queues) {
    this.#queues = queues;
  }

  /** The queue for runs that start here; undefined outside of handlers of this engine. */
  static queue(queues: Queues): QueueId | undefined {
    const nesting = current.getStore();
    return nesting !== undefined && nesting.#queues === queues ? nesting.#own() : undefined;
  }

  // A handler may leave timers and promises behind, which start runs after it. No run waits for these.
  #own(): QueueId | undefined {
    if (this.#closed && this.#underWay === 0) return undefined;
    this.#queue ??= this.#queues.createQueue();
    return this.#queue;
  }

  /** Calls a handler; its runs are nested until its promise, if it returns one, is settled. */
  run<T>(handler: () => T): T {
    this.#underWay++;
    try {
      const result = current.run(this, handler);
      if (isThenable(result)) void Promise.resolve(result).then(this.#done, this.#done);
      else this.#done();
      return result;
    } catch (error) {
      this.#done();
      throw error;
    }
  }

  readonly #done = () => {
    this.#underWay--;
    this.#release();
  };

  /** No more handlers will be called. Those under way go on. */
  close(): void {
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    if (!this.#closed || this.#underWay > 0 || this.#queue === undefined) return;
    this.#queues.closeQueue(this.#queue);
    this.#queue = undefined;
  }
}

/** Returns whether a handler's result is a promise. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
