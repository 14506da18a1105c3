import { hook, label, mx, type Traced } from "../../trace/index.js";
import {
  ACTIVATIONS,
  type Activation,
  type Embedding,
  type LayerNorm,
  type Linear,
  type QuantizedEmbedding,
  type QuantizedLinear,
} from "../layers/index.js";
import { Module } from "../module.js";
import type { Parameter } from "../walk.js";

type AnyLinear = Linear | QuantizedLinear;

/** The vectors that tokens begin with: of the token, of its place, and of the part of the text. */
export class BertEmbeddings extends Module {
  constructor(
    readonly firstPosition: number,
    readonly words: Embedding | QuantizedEmbedding,
    readonly positions: Parameter,
    readonly types: Parameter | undefined,
    readonly norm: LayerNorm,
  ) {
    super();
  }

  forward(ids: Traced): Traced {
    const start = this.firstPosition;
    const stop = start + (ids.shape[1] as number);
    const places = mx.arange({ start, stop, dtype: "int32" });
    const placed = mx.add(this.words.forward(ids), mx.take(this.positions, places, { axis: 0 }));
    if (this.types === undefined) return this.norm.forward(placed);
    // All tokens are of the first part of the text.
    return this.norm.forward(mx.add(placed, mx.take(this.types, 0, { axis: 0 })));
  }
}

/** The layers of an attention. */
export interface AttentionLayers {
  readonly query: AnyLinear;
  readonly key: AnyLinear;
  readonly value: AnyLinear;
  readonly output: AnyLinear;
  readonly norm: LayerNorm;
}

/** Attention of all tokens of a text to all. */
export class BertAttention extends Module {
  constructor(
    readonly heads: number,
    readonly layers: AttentionLayers,
  ) {
    super();
  }

  /** `bias` is added to the scores. */
  forward(x: Traced, bias: Traced): Traced {
    const { query, key, value, output, norm } = this.layers;
    const [texts, length, size] = x.shape as [number, number, number];
    const width = size / this.heads;
    const split = (layer: AnyLinear) => {
      const shape = [texts, length, this.heads, width];
      return mx.transpose(mx.reshape(layer.forward(x), { shape }), { axes: [0, 2, 1, 3] });
    };
    const attended = mx.fast.scaled_dot_product_attention(
      split(query),
      split(key),
      split(value),
      bias,
      null,
      { scale: 1 / Math.sqrt(width) },
    );
    const shape = [texts, length, size];
    const merged = mx.reshape(mx.transpose(attended, { axes: [0, 2, 1, 3] }), { shape });
    return norm.forward(mx.add(output.forward(merged), x));
  }
}

/** The two products of a layer, for each token. */
export class BertFeedForward extends Module {
  constructor(
    readonly activation: Activation,
    readonly inner: AnyLinear,
    readonly outer: AnyLinear,
    readonly norm: LayerNorm,
  ) {
    super();
  }

  forward(x: Traced): Traced {
    const inner = ACTIVATIONS[this.activation](this.inner.forward(x));
    return this.norm.forward(mx.add(this.outer.forward(inner), x));
  }
}

/** One layer of the encoder. */
export interface BertLayer {
  readonly attention: BertAttention;
  readonly feedForward: BertFeedForward;
}

/**
 * An encoder of BERT's family: tokens in, a vector for each of them out. It has a hook `encoder.N` after every layer, and labels
 * `embeddings`, `encoder.N` and `encoder.N.attention`.
 */
export class Bert extends Module {
  /** Makes an encoder of its parts. */
  constructor(
    /** The vectors that tokens begin with. */
    readonly embeddings: BertEmbeddings,
    /** The layers, in order. */
    readonly layers: readonly BertLayer[],
  ) {
    super();
  }

  /**
   * `ids` is int32[texts, length], `mask` float32 of the same shape, 0 for padding. Returns [texts, length, size]; what it returns for padding means
   * nothing.
   */
  forward(ids: Traced, mask: Traced): Traced {
    const embedded = label("embeddings", () => this.embeddings.forward(ids));
    const bias = paddingBias(mask, embedded);
    return this.layers.reduce((x, layer, n) => {
      const encoded = label(`encoder.${n}`, () =>
        layer.feedForward.forward(label("attention", () => layer.attention.forward(x, bias))),
      );
      return hook(encoded, `encoder.${n}`);
    }, embedded);
  }
}

/** What attention adds to the scores: nothing for tokens, so much for padding that it gets no weight. */
function paddingBias(mask: Traced, { dtype }: Traced): Traced {
  const much = dtype === "float16" ? 3e4 : 1e9;
  const bias = mx.multiply(mx.subtract(mask, 1), much);
  return mx.astype(mx.expand_dims(bias, { axes: [1, 2] }), { dtype });
}
