import { AsyncLocalStorage } from "node:async_hooks";
import { DavitError } from "../error.js";

/** Options of waiting for a turn. */
export interface TurnOptions {
  /** Milliseconds to wait for the turn; for ever by default. */
  readonly timeout?: number;
  /** Gives up waiting for the turn. A turn that has begun goes on. */
  readonly signal?: AbortSignal;
}

/** The turns that the code that runs now was called in. They may be over, as code may leave timers and promises behind. */
const current = new AsyncLocalStorage<readonly Turn[]>();

interface Turn {
  readonly of: Turns;
  over: boolean;
}

/** Gives turns one after the other, in the order in which they were asked for. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /**
   * Calls a function in a turn of its own, which lasts until what it returns is settled.
   * @throws DavitError `state_nested` inside a turn of the same kind, which would wait for itself; `timeout`; the signal's reason
   */
  async take<R>(fn: () => R | PromiseLike<R>, options: TurnOptions = {}): Promise<R> {
    const outer = current.getStore() ?? [];
    if (outer.some((turn) => turn.of === this && !turn.over)) {
      const expected = "the function's argument, which holds the state already";
      const message = `the state is asked for inside its own \`exclusive\`; expected ${expected}`;
      throw new DavitError("state_nested", message, { expected });
    }
    if (this.#taken) await this.#wait(options);
    else options.signal?.throwIfAborted();
    this.#taken = true;
    const turn: Turn = { of: this, over: false };
    try {
      return await current.run([...outer, turn], fn);
    } finally {
      turn.over = true;
      this.#taken = false;
      this.#waiting.shift()?.();
    }
  }

  #wait({ timeout, signal }: TurnOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      const giveUp = (reason: unknown) => {
        done();
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        reject(reason);
      };
      const begin = () => {
        // Nobody who asks now gets in between.
        this.#taken = true;
        done();
        resolve();
      };
      const abort = () => giveUp(signal?.reason);
      signal?.throwIfAborted();
      this.#waiting.push(begin);
      signal?.addEventListener("abort", abort, { once: true });
      if (timeout === undefined) return;
      const late = `the state was not free within ${timeout} ms`;
      timer = setTimeout(() => giveUp(new DavitError("timeout", late)), timeout);
    });
  }
}
