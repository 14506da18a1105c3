import type { Engine } from "../engine/engine.js";
import type { QueueId } from "../native.js";
import { ProtocolError } from "./error.js";

/** A queue that a client named. */
export interface SessionQueue {
  readonly id: QueueId;
  /** The number of its runs that are not over. */
  runs: number;
}

/** The queues of one session, by the numbers that its client chose. */
export class SessionQueues {
  readonly #queues = new Map<number, SessionQueue>();

  constructor(
    private readonly engine: Pick<Engine, "createQueue" | "closeQueue">,
    private readonly limits: { readonly queues: number },
  ) {}

  /** The queue of this number, made where there is none. @throws ProtocolError `queue_limit_exceeded` */
  find(number: number): SessionQueue {
    const known = this.#queues.get(number);
    if (known !== undefined) return known;
    if (this.#queues.size >= this.limits.queues) this.#closeIdle();
    const queue = { id: this.engine.createQueue(), runs: 0 };
    this.#queues.set(number, queue);
    return queue;
  }

  /** Forgets a queue; what is queued in it still runs. */
  close(number: number): void {
    const queue = this.#queues.get(number);
    if (queue === undefined) return;
    this.#queues.delete(number);
    this.engine.closeQueue(queue.id);
  }

  /** The session ends. */
  closeAll(): void {
    for (const { id } of this.#queues.values()) this.engine.closeQueue(id);
    this.#queues.clear();
  }

  /** A queue without runs is as good as one that is made anew. */
  #closeIdle(): void {
    for (const [number, { runs }] of this.#queues) if (runs === 0) this.close(number);
    if (this.#queues.size < this.limits.queues) return;
    throw new ProtocolError(
      "queue_limit_exceeded",
      `runs of ${this.limits.queues} queues are under way, as many as a session may have`,
    );
  }
}
