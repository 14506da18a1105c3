import { DavitError } from "../../error.js";
import { ModelError } from "../error.js";
import type { TokenCache } from "./cache.js";

/**
 * The keys and values of the first tokens of texts, such as of a long system message: texts that begin with the same tokens do not compute them
 * again. A text may also have only some of them, or more. It is never changed, and any number of generations use it at the same time.
 */
export class PromptSnapshot implements Disposable {
  /** The tokens. */
  readonly ids: readonly number[];
  #cache: TokenCache | undefined;
  readonly #owner: object;

  /** For the generator: takes over the cache; `owner` stands for the model. @internal */
  constructor(ids: readonly number[], cache: TokenCache, owner: object) {
    this.ids = ids;
    this.#cache = cache;
    this.#owner = owner;
  }

  /** How many of its first tokens are those of a text. */
  inCommon(ids: readonly number[]): number {
    const differs = this.ids.findIndex((id, at) => id !== ids[at]);
    return differs < 0 ? this.ids.length : differs;
  }

  /**
   * For the generator: a cache that goes on from here; its first change copies.
   * @throws DavitError `state_lost`; ModelError `snapshot_foreign` @internal
   */
  async copy(owner: object): Promise<TokenCache> {
    if (owner !== this.#owner) {
      const problem = "the snapshot is of another model";
      throw new ModelError("snapshot_foreign", problem, "one that this generator made");
    }
    if (this.#cache === undefined) {
      const [message, expected] = ["the snapshot was disposed of", "another one, or none"];
      throw new DavitError("state_lost", `${message}; expected ${expected}`, { expected });
    }
    const { state, capacity } = this.#cache;
    return { state: await state.snapshot(), capacity };
  }

  /** Frees the keys and values; generations under way go on. */
  dispose(): void {
    this.#cache?.state.dispose();
    this.#cache = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
