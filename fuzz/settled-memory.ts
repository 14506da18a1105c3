import type { Engine } from "../src/engine/engine.js";

const PATIENCE = 5000;
/** What an engine may keep for itself beyond what it held at first. */
const SLACK = 64 * 1024;

/** Tells whether an engine frees what it counts. */
export class SettledMemory {
  readonly #first: number;

  constructor(private readonly engine: Engine) {
    this.#first = engine.info().memory.active;
  }

  /** Waits until all is given back; says how much is not. */
  async leak(): Promise<string | undefined> {
    const end = Date.now() + PATIENCE;
    for (;;) {
      // Bytes that were read keep their memory until they are collected.
      (globalThis as { gc?: () => void }).gc?.();
      const kept = this.engine.info().memory.active - this.#first;
      if (kept <= SLACK) return undefined;
      if (Date.now() > end) return `${kept} bytes more than at first are counted as in use`;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
