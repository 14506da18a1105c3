import { hook, label, mx, type Tensor, type Traced } from "davit-engine";

/** The sizes of the model, as its config.json names them. */
export interface BertConfig {
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_size: number;
  readonly layer_norm_eps: number;
}

/** A tensor of the weights file, by its name there. */
export type Weights = (name: string) => Tensor;

/**
 * A sentence encoder of BERT's kind, such as all-MiniLM-L6-v2: tokens in, a unit vector for each sentence out.
 * The ids are int32[sentences, length]; the mask is float32 of the same shape, 0 for padding.
 */
export function sentenceEncoder(config: BertConfig, weights: Weights) {
  const linear = (x: Traced, name: string): Traced =>
    mx.addmm(weights(`${name}.bias`), x, mx.transpose(weights(`${name}.weight`)));

  const layerNorm = (x: Traced, name: string): Traced =>
    mx.fast.layer_norm(x, weights(`${name}.weight`), weights(`${name}.bias`), {
      eps: config.layer_norm_eps,
    });

  const embeddings = (ids: Traced): Traced => {
    const length = ids.shape[1] as number;
    const part = (name: string) => weights(`embeddings.${name}_embeddings.weight`);
    const words = mx.take(part("word"), ids, { axis: 0 });
    const positions = mx.take(
      part("position"),
      mx.arange({ start: 0, stop: length, dtype: "int32" }),
      {
        axis: 0,
      },
    );
    const type = mx.take(part("token_type"), 0, { axis: 0 }); // a sentence has one part
    return layerNorm(mx.add(mx.add(words, positions), type), "embeddings.LayerNorm");
  };

  const attention = (x: Traced, bias: Traced, layer: string): Traced => {
    const [sentences, length, size] = x.shape as [number, number, number];
    const heads = config.num_attention_heads;
    const split = (name: string) => {
      const projected = linear(x, `${layer}.attention.self.${name}`);
      const shape = [sentences, length, heads, size / heads];
      return mx.transpose(mx.reshape(projected, { shape }), { axes: [0, 2, 1, 3] });
    };
    const attended = mx.fast.scaled_dot_product_attention(
      split("query"),
      split("key"),
      split("value"),
      bias,
      null,
      { scale: 1 / Math.sqrt(size / heads) },
    );
    const shape = [sentences, length, size];
    const merged = mx.reshape(mx.transpose(attended, { axes: [0, 2, 1, 3] }), { shape });
    return layerNorm(
      mx.add(linear(merged, `${layer}.attention.output.dense`), x),
      `${layer}.attention.output.LayerNorm`,
    );
  };

  const feedForward = (x: Traced, layer: string): Traced => {
    const inner = gelu(linear(x, `${layer}.intermediate.dense`));
    return layerNorm(
      mx.add(linear(inner, `${layer}.output.dense`), x),
      `${layer}.output.LayerNorm`,
    );
  };

  return (ids: Traced, mask: Traced): Traced => {
    // What attention adds to the scores: nothing for tokens, so much for padding that it gets no weight.
    const bias = mx.expand_dims(mx.multiply(mx.subtract(mask, 1), 1e9), { axes: [1, 2] });
    let x = label("embeddings", () => embeddings(ids));
    for (let n = 0; n < config.num_hidden_layers; n++) {
      const layer = `encoder.layer.${n}`;
      const encoded = label(`encoder.${n}`, () =>
        feedForward(
          label("attention", () => attention(x, bias, layer)),
          layer,
        ),
      );
      x = hook(encoded, `encoder.${n}`);
    }
    return label("pooling", () => normalize(meanOfTokens(x, mask)));
  };
}

/** The exact GELU, as BERT was trained with. */
function gelu(x: Traced): Traced {
  return mx.multiply(mx.multiply(x, 0.5), mx.add(mx.erf(mx.multiply(x, Math.SQRT1_2)), 1));
}

/** The mean over the tokens of each sentence; padding does not count. */
function meanOfTokens(x: Traced, mask: Traced): Traced {
  const weights = mx.expand_dims(mask, { axes: [2] });
  const sum = mx.sum(mx.multiply(x, weights), { axes: [1] });
  return mx.divide(sum, mx.sum(weights, { axes: [1] }));
}

/** Vectors of length 1. */
function normalize(x: Traced): Traced {
  const squares = mx.sum(mx.square(x), { axes: [1], keepdims: true });
  return mx.multiply(x, mx.rsqrt(mx.maximum(squares, 1e-24)));
}
