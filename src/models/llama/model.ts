import { hook, label, mx, type Operand, type Traced } from "../../trace/index.js";
import type {
  Embedding,
  Linear,
  QuantizedEmbedding,
  QuantizedLinear,
  RMSNorm,
} from "../layers/index.js";
import { Module } from "../module.js";
import type { LlamaConfig } from "./config.js";

/** The keys and values of the tokens so far, [1, heads of keys, capacity, size of a head] for each layer. */
export type KeyValueCache<T = Traced> = {
  readonly keys: readonly T[];
  readonly values: readonly T[];
};

/** What all layers need to know of the tokens that are computed. */
interface Place {
  /** The number of tokens before them, a scalar int32. */
  readonly position: Operand;
  /** Which keys each of them sees: bool [tokens, capacity]. */
  readonly mask: Traced;
}

type AnyLinear = Linear | QuantizedLinear;

/** Attention of several heads of queries to each head of keys, with rotary positions. */
export class LlamaAttention extends Module {
  /** Makes a layer of products. */
  constructor(
    private readonly config: LlamaConfig,
    /** To the queries. */
    readonly query: AnyLinear,
    /** To the keys. */
    readonly key: AnyLinear,
    /** To the values. */
    readonly value: AnyLinear,
    /** From the heads' results. */
    readonly output: AnyLinear,
  ) {
    super();
  }

  /** Computes the layer; writes the tokens' keys and values into the cache's. */
  forward(
    x: Traced,
    keys: Traced,
    values: Traced,
    place: Place,
  ): readonly [Traced, Traced, Traced] {
    const { heads, keyHeads, headSize, ropeBase, ropeTraditional } = this.config;
    const length = x.shape[1] as number;
    const split = (projected: Traced, count: number) =>
      mx.transpose(mx.reshape(projected, { shape: [1, length, count, headSize] }), {
        axes: [0, 2, 1, 3],
      });
    const turned = (projected: Traced, count: number) =>
      mx.fast.rope(split(projected, count), place.position, null, {
        dims: headSize,
        traditional: ropeTraditional,
        base: ropeBase,
        scale: 1,
      });
    const start = mx.reshape(place.position, { shape: [1] });
    const written = (into: Traced, part: Traced) =>
      mx.dynamic_slice_update(into, part, start, { axes: [2] });
    const allKeys = written(keys, turned(this.key.forward(x), keyHeads));
    const allValues = written(values, split(this.value.forward(x), keyHeads));
    const attended = mx.fast.scaled_dot_product_attention(
      turned(this.query.forward(x), heads),
      allKeys,
      allValues,
      place.mask,
      null,
      { scale: 1 / Math.sqrt(headSize) },
    );
    const merged = mx.reshape(mx.transpose(attended, { axes: [0, 2, 1, 3] }), {
      shape: [1, length, heads * headSize],
    });
    return [this.output.forward(merged), allKeys, allValues];
  }
}

/** `down(silu(gate(x)) * up(x))` */
export class LlamaFeedForward extends Module {
  /** Makes a layer of products. */
  constructor(
    /** To what is passed through silu. */
    readonly gate: AnyLinear,
    /** To what that is multiplied with. */
    readonly up: AnyLinear,
    /** From their product. */
    readonly down: AnyLinear,
  ) {
    super();
  }

  /** Computes the layer. */
  forward(x: Traced): Traced {
    const gate = this.gate.forward(x);
    return this.down.forward(mx.multiply(mx.multiply(gate, mx.sigmoid(gate)), this.up.forward(x)));
  }
}

/** One block: attention and a feed-forward layer, each behind a norm and beside what it is added to. */
export class LlamaLayer extends Module {
  /** Makes a block of its parts. */
  constructor(
    /** Before attention. */
    readonly attentionNorm: RMSNorm,
    /** Attention. */
    readonly attention: LlamaAttention,
    /** Before the feed-forward layer. */
    readonly feedForwardNorm: RMSNorm,
    /** The feed-forward layer. */
    readonly feedForward: LlamaFeedForward,
  ) {
    super();
  }

  /** Computes the block. */
  forward(
    x: Traced,
    keys: Traced,
    values: Traced,
    place: Place,
  ): readonly [Traced, Traced, Traced] {
    const [attended, newKeys, newValues] = label("attention", () =>
      this.attention.forward(this.attentionNorm.forward(x), keys, values, place),
    );
    const added = mx.add(x, hook(attended, "attention"));
    const forwarded = label("feed_forward", () =>
      this.feedForward.forward(this.feedForwardNorm.forward(added)),
    );
    return [mx.add(added, forwarded), newKeys, newValues];
  }
}

/**
 * A language model of Llama's kind. Its hooks are `attention` in each layer, on what attention adds, and `logits`; labels are `layers.N`, with
 * `attention` and `feed_forward` in it.
 */
export class Llama extends Module {
  /** Makes a model of its parts; without `output` it ends with the embedding's rows. */
  constructor(
    /** Its sizes. */
    readonly config: LlamaConfig,
    /** The tokens' vectors. */
    readonly embedding: Embedding | QuantizedEmbedding,
    /** The blocks. */
    readonly layers: readonly LlamaLayer[],
    /** After the last block. */
    readonly norm: RMSNorm,
    /** From a vector to a score for each token. */
    readonly output?: AnyLinear,
  ) {
    super();
  }

  /**
   * Computes the scores of the token that follows the one at index `last`: float32 [vocabulary]; and the cache with the keys and values
   * of these tokens, int32 [1, length], which come after `position` others. Tokens behind `last` are padding: their keys are written over later.
   */
  forward(
    cache: KeyValueCache,
    ids: Traced,
    position: Traced,
    last: Traced,
  ): readonly [KeyValueCache, Traced] {
    const length = ids.shape[1] as number;
    const capacity = cache.keys[0]?.shape[2] as number;
    const upTo = (stop: number) => mx.arange({ start: 0, stop, dtype: "int32" });
    const rows = mx.reshape(mx.add(upTo(length), position), { shape: [length, 1] });
    const place = { position, mask: mx.less_equal(upTo(capacity), rows) };
    let x = mx.astype(
      label("embedding", () => this.embedding.forward(ids)),
      { dtype: "float32" },
    );
    const keys: Traced[] = [];
    const values: Traced[] = [];
    this.layers.forEach((layer, n) => {
      const [after, newKeys, newValues] = label(`layers.${n}`, () =>
        layer.forward(x, cache.keys[n] as Traced, cache.values[n] as Traced, place),
      );
      x = after;
      keys.push(newKeys);
      values.push(newValues);
    });
    const scored = label("output", () => {
      const final = this.norm.forward(mx.take(x, mx.reshape(last, { shape: [1] }), { axis: 1 }));
      const logits = this.output?.forward(final) ?? this.embedding.asLinear(final);
      return mx.reshape(logits, { shape: [this.config.vocabulary] });
    });
    return [{ keys, values }, hook(mx.astype(scored, { dtype: "float32" }), "logits")];
  }
}
