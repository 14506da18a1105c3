import { availableParallelism } from "node:os";

/**
 * Keeps the event loop from sleeping for a moment after a frame was answered, as the Erlang VM's `+sbwt` does for its
 * schedulers: on many machines a process that sleeps is woken 30 to 50 microseconds after its frame has come.
 *
 * It does so only in a conversation, where both sides answer within that moment. Who takes longer to answer loses little
 * by being woken, and a connection without conversation takes no processor time. Neither does one on a single core, which
 * the peer needs.
 */
export class BusyWait {
  readonly #milliseconds: number;
  #wrote = Number.NEGATIVE_INFINITY;
  #received = Number.NEGATIVE_INFINITY;
  /** Whether the peer's last frame came soon after ours. */
  #prompt = false;
  #until = 0;
  #looking = false;

  /** @param microseconds how long the loop stays awake; 0 is never */
  constructor(microseconds: number, cores = availableParallelism()) {
    this.#milliseconds = cores > 1 ? microseconds / 1000 : 0;
  }

  /** A frame came. */
  received(): void {
    if (this.#milliseconds === 0) return;
    this.#received = performance.now();
    this.#prompt = this.#received - this.#wrote <= this.#milliseconds;
    this.#until = 0;
  }

  /** A frame was written. */
  wrote(): void {
    if (this.#milliseconds === 0) return;
    this.#wrote = performance.now();
    if (!this.#prompt || this.#wrote - this.#received > this.#milliseconds) return;
    this.#until = this.#wrote + this.#milliseconds;
    if (this.#looking) return;
    this.#looking = true;
    setImmediate(this.#look);
  }

  /** Nothing more is to come. */
  stop(): void {
    this.#prompt = false;
    this.#until = 0;
  }

  // With an immediate to come, the loop only asks whether something can be read.
  #look = (): void => {
    if (performance.now() < this.#until) {
      setImmediate(this.#look);
      return;
    }
    this.#looking = false;
    if (this.#until > 0) this.#prompt = false;
  };
}
