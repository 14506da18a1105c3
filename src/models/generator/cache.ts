import type { Engine } from "../../engine/engine.js";
import type { Jitted } from "../../engine/jit.js";
import type { State } from "../../engine/state.js";
import type { Tensor } from "../../native-tensor.js";
import { mx, type Traced } from "../../trace/index.js";
import type { KeyValueCache, LlamaConfig } from "../llama/index.js";

/** The least room of a cache, in tokens. It doubles when it is full. */
const LEAST_CAPACITY = 128;

/** A state with the keys and values of the tokens so far. */
export interface TokenCache {
  readonly state: State<KeyValueCache<Tensor>>;
  readonly capacity: number;
}

/** Makes the caches of one model, and makes them larger. */
export class TokenCaches {
  readonly #engine: Engine;
  readonly #config: LlamaConfig;
  readonly #zeros: Jitted<Traced[]>;
  readonly #grow: Jitted<readonly [KeyValueCache, Traced]>;

  constructor(engine: Engine, config: LlamaConfig) {
    this.#engine = engine;
    this.#config = config;
    const { layers, keyHeads, headSize } = config;
    const empty = (capacity: number) =>
      mx.zeros({ shape: [1, keyHeads, capacity, headSize], dtype: "float32" });
    this.#zeros = engine.jit(() => Array.from({ length: 2 * layers }, () => empty(LEAST_CAPACITY)));
    const doubled = (part: Traced) => {
      const more = mx.zeros({ shape: part.shape as number[], dtype: "float32" });
      return mx.concatenate([part, more], { axis: 2 });
    };
    this.#grow = engine.jit(
      ({ keys, values }: KeyValueCache): readonly [KeyValueCache, Traced] =>
        [
          { keys: keys.map(doubled), values: values.map(doubled) },
          mx.zeros({ shape: [] }),
        ] as const,
    );
  }

  /** A cache for the first tokens of a text. */
  async make(): Promise<TokenCache> {
    const parts = await this.#zeros();
    const keys = parts.slice(0, this.#config.layers);
    const state = this.#engine.state({ keys, values: parts.slice(this.#config.layers) });
    return { state, capacity: LEAST_CAPACITY };
  }

  /** Returns the cache with room for so many tokens. */
  async grown({ state, capacity }: TokenCache, tokens: number): Promise<TokenCache> {
    let room = capacity;
    for (; room < tokens; room *= 2) await state.exclusive((held) => held.apply(this.#grow, []));
    return { state, capacity: room };
  }

  dispose(): void {
    this.#zeros.dispose();
    this.#grow.dispose();
  }
}
