import { PortError } from "./error.js";

interface Waiter {
  amount: number;
  grant: () => void;
}

/**
 * Bounds what is under way: bytes, requests, events. Takers are served strictly in order. An amount
 * above the whole limit is granted when nothing else is under way, and then goes alone.
 */
export class Credit {
  #inUse = 0;
  readonly #waiters = new Set<Waiter>();

  constructor(readonly limit: number) {
    checkAmount(limit, "limit");
    if (limit === 0) throw new PortError("option_invalid", "limit is 0; expected a number > 0");
  }

  /** What has been taken and not given back. */
  get inUse(): number {
    return this.#inUse;
  }

  /** How many takers wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Takes `amount` if that is possible now and nobody is waiting. */
  tryTake(amount: number): boolean {
    checkAmount(amount, "amount");
    if (this.#waiters.size > 0 || !this.#fits(amount)) return false;
    this.#inUse += amount;
    return true;
  }

  /** Takes `amount`, when it is this taker's turn. Rejects with the signal's reason on abort. */
  take(amount: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.tryTake(amount)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
        // The next in line may be small enough for what is left.
        this.#serve();
      };
      const waiter: Waiter = {
        amount,
        grant: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Gives `amount` back. */
  give(amount: number): void {
    checkAmount(amount, "amount");
    if (amount > this.#inUse) {
      throw new PortError(
        "option_invalid",
        `${amount} was given back, but only ${this.#inUse} is in use`,
      );
    }
    this.#inUse -= amount;
    this.#serve();
  }

  #fits(amount: number): boolean {
    return this.#inUse === 0 || this.#inUse + amount <= this.limit;
  }

  #serve(): void {
    // A Set iterates in order of insertion.
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.amount)) return;
      this.#waiters.delete(waiter);
      this.#inUse += waiter.amount;
      waiter.grant();
    }
  }
}

function checkAmount(amount: number, name: string): void {
  if (Number.isFinite(amount) && amount >= 0) return;
  throw new PortError(
    "option_invalid",
    `${name} is ${String(amount)}; expected a finite number >= 0`,
  );
}
