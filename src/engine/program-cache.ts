import { DavitError } from "../error.js";

/** The number of programs that a function keeps by default. */
const DEFAULT_LIMIT = 128;
const MOST = 2 ** 31 - 1;

/** Counts of a function's programs so far, one for each combination of argument types. */
export interface ProgramCounts {
  /** Programs kept now. */
  readonly kept: number;
  /** The number of times that the function was traced. */
  readonly traced: number;
  /** Programs that the store had, for which it was not traced. */
  readonly stored: number;
  /** Programs that were freed because the function had too many: those not used for longest go first. */
  readonly evicted: number;
}

/** Keeps the most recently used of what is made by key, and lets the others go. */
export class ProgramCache<Entry extends { readonly stored: boolean }> {
  readonly #entries = new Map<string, Entry>();
  readonly #limit: number;
  readonly #release: (entry: Entry) => void;
  #traced = 0;
  #stored = 0;
  #evicted = 0;
  #disposed = false;

  /** @throws DavitError `option_invalid` where the limit is no number of programs */
  constructor(limit: number | undefined, release: (entry: Entry) => void) {
    this.#limit = checkLimit(limit ?? DEFAULT_LIMIT);
    this.#release = release;
  }

  get counts(): ProgramCounts {
    return {
      kept: this.#entries.size,
      traced: this.#traced,
      stored: this.#stored,
      evicted: this.#evicted,
    };
  }

  /** Returns the entry for a key, or the one that `make` makes. @throws DavitError `function_disposed` */
  get(key: string, make: () => Entry): Entry {
    if (this.#disposed) {
      throw new DavitError("function_disposed", "the function was disposed of");
    }
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = make();
      if (entry.stored) this.#stored++;
      else this.#traced++;
    } else {
      // A map keeps the order in which keys were put in: the last is the one used last.
      this.#entries.delete(key);
    }
    this.#entries.set(key, entry);
    if (this.#entries.size > this.#limit) this.#evict();
    return entry;
  }

  /** Lets go of an entry: it is made again when it is asked for. */
  drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!this.#entries.delete(key)) return;
    this.#release(entry as Entry);
  }

  /** Lets go of all, for good. */
  dispose(): void {
    this.#disposed = true;
    for (const entry of this.#entries.values()) this.#release(entry);
    this.#entries.clear();
  }

  #evict(): void {
    const [[key, entry]] = this.#entries as unknown as [[string, Entry]];
    this.#entries.delete(key);
    this.#evicted++;
    this.#release(entry);
  }
}

function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST) return limit;
  const expected = `an integer from 1 to ${MOST}`;
  throw new DavitError("option_invalid", `maxPrograms is ${String(limit)}; expected ${expected}`, {
    expected,
  });
}
