import type { Types } from "../types.js";
import type { Suggestion, Suggestions } from "./suggestion.js";

function norm(types: Types, op: string): Suggestion {
  const shape = types.shape(types.random.between(1, 3));
  const dtype = types.float();
  const vector = (probability: number) =>
    types.maybe(probability, () => types.type(dtype, [shape.at(-1) as number]));
  const operands = [{ dtype, shape }, vector(0.6)];
  return { types: op === "fast.layer_norm" ? [...operands, vector(0.6)] : operands };
}

function rope(types: Types): Suggestion {
  const { random } = types;
  const width = random.pick([2, 4, 6, 8, 16, 3]);
  const batch = random.between(1, 3);
  const length = random.pick([1, 2, 5, 0]);
  const dims = random.pick([width, 2, 4, width - 1, width + 2]);
  const given = random.chance(0.4);
  return {
    types: [
      types.type(types.float(), [batch, ...types.shape(random.below(2)), length, width]),
      types.maybe(0.5, () => types.type(types.integer(), random.chance(0.5) ? [] : [batch])),
      given ? types.type("float32", [dims >> 1]) : null,
    ],
    attributes: { dims, base: given ? undefined : random.pick([10000, 0, -1, Number.NaN, 1e30]) },
  };
}

function attention(types: Types): Suggestion {
  const { random } = types;
  const batch = random.below(3);
  const kvHeads = random.between(1, 3);
  const heads = kvHeads * random.pick([1, 2, 4]);
  const [queries, keys] = [random.pick([0, 1, 2, 5, 9]), random.pick([0, 1, 3, 8])];
  const width = random.pick([0, 1, 4, 8, 64]);
  const valueWidth = random.chance(0.7) ? width : random.pick([1, 4, 8]);
  const dtype = types.float();
  const masks = [
    [queries, keys],
    [batch, heads, queries, keys],
    [1, 1, queries, keys],
    [keys],
    [batch, 1, 1, keys],
  ];
  const mask = types.maybe(0.4, () =>
    types.type(random.chance(0.5) ? "bool" : dtype, random.pick(masks)),
  );
  return {
    types: [
      types.type(dtype, [batch, heads, queries, width]),
      types.type(dtype, [batch, kvHeads, keys, width]),
      types.type(dtype, [batch, kvHeads, keys, valueWidth]),
      mask,
      types.maybe(0.3, () => types.type(dtype, [heads])),
    ],
    attributes: mask === null ? {} : { mask_mode: undefined },
  };
}

function crossEntropy(types: Types): Suggestion {
  const shape = types.shape(types.random.between(1, 3));
  const targets = types.type(types.integer(), shape.slice(0, -1));
  return { types: [{ dtype: types.float(), shape }, targets] };
}

function gatedDelta(types: Types): Suggestion {
  const { random } = types;
  const batch = random.below(3);
  const length = random.between(1, 3);
  const keyHeads = random.between(1, 2);
  const heads = keyHeads * random.between(1, 2);
  const [keyWidth, width] = [random.pick([0, 1, 2, 4, 32]), random.pick([0, 1, 2, 4, 8])];
  const dtype = types.float();
  const of = (...shape: number[]) => types.type(dtype, shape);
  return {
    types: [
      of(batch, length, keyHeads, keyWidth),
      of(batch, length, keyHeads, keyWidth),
      of(batch, length, heads, width),
      of(batch, length, heads),
      of(batch, length, heads),
      types.maybe(0.5, () => of(batch, heads, width, keyWidth)),
      types.maybe(0.3, () => types.type("bool", [batch, length])),
    ],
  };
}

/** What MLX has kernels of its own for. */
export const FAST_SUGGESTIONS: Suggestions = {
  "fast.rms_norm": norm,
  "fast.layer_norm": norm,
  "fast.rope": rope,
  "fast.scaled_dot_product_attention": attention,
  "fast.cross_entropy": crossEntropy,
  "fast.gated_delta_update": gatedDelta,
};
