import type { Engine } from "../../engine/engine.js";
import type { QueueId } from "../../native.js";

/** Queues, one for each lane of an engine: what is independent goes to the one that has least to do. */
export class LaneQueues {
  readonly #engine: Engine;
  readonly #queues: { readonly queue: QueueId; runs: number }[];

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#queues = Array.from({ length: engine.options.lanes }, () => ({
      queue: engine.createQueue(),
      runs: 0,
    }));
  }

  /** The number of queues. */
  get size(): number {
    return this.#queues.length;
  }

  /** Returns the queue with the fewest runs, for one more. */
  take(): QueueId {
    const least = this.#queues.reduce((a, b) => (b.runs < a.runs ? b : a));
    least.runs++;
    return least.queue;
  }

  /** A run is over. */
  release(queue: QueueId): void {
    const found = this.#queues.find((other) => other.queue === queue);
    if (found !== undefined) found.runs--;
  }

  /** Frees the queues; runs under way go on. */
  close(): void {
    for (const { queue } of this.#queues) this.#engine.closeQueue(queue);
  }
}
