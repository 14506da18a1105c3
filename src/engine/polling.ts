/** The number of polls of the native engine before the event loop turns. */
const POLLS_A_TURN = 64;

/**
 * Polls the native engine for what has happened on this thread, for which there is no wake-up; and only when the caller
 * has done its part.
 */
export class Polling {
  readonly #poll: () => void;
  #soon = false;
  #count = 0;

  constructor(poll: () => void) {
    this.#poll = poll;
  }

  /**
   * In this turn of the event loop. Every so often the loop turns first: timers and sockets want to be served while
   * somebody awaits one small run after the other.
   */
  soon(): void {
    if (this.#soon) return;
    this.#soon = true;
    if (++this.#count % POLLS_A_TURN === 0) setImmediate(this.#now);
    else queueMicrotask(this.#now);
  }

  /** In the next turn of the event loop. */
  later(): void {
    setImmediate(this.#poll);
  }

  #now = (): void => {
    this.#soon = false;
    this.#poll();
  };
}
