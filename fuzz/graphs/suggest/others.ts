import { OPS } from "../../../src/graph/ops/index.js";
import { elementCount, type TensorType } from "../../../src/tensor/dtype.js";
import type { Types } from "../types.js";
import type { Suggestion, Suggestions } from "./suggestion.js";

const KEY: TensorType = { dtype: "uint32", shape: [2] };

function sampled(types: Types, op: string): Suggestion {
  const { random } = types;
  const shape = types.shape(random.below(3));
  const parameters = OPS[op as keyof typeof OPS].operands.slice(1);
  const dtype = () => (random.chance(0.5) ? types.float() : types.integer());
  return {
    types: [
      types.type(KEY.dtype, KEY.shape),
      ...parameters.map(() => types.type(dtype(), random.chance(0.5) ? [] : shape)),
    ],
    attributes: { shape },
  };
}

function multivariate(types: Types): Suggestion {
  const size = types.random.pick([1, 2, 3, 5]);
  return { types: [KEY, types.type("float32", [size]), types.type("float32", [size, size])] };
}

const choice = (types: Types): Suggestion => ({
  types: [KEY, { dtype: types.any(), shape: types.shape(types.random.between(1, 3)) }],
});

function stft(types: Types): Suggestion {
  const { random } = types;
  const size = random.pick([1, 2, 3, 4, 8, 16]);
  const length = random.pick([1, 2, 5, 16, 40, 64]);
  const dtype = random.chance(0.7) ? "float32" : types.any();
  return {
    types: [{ dtype, shape: [...types.shape(random.below(2)), length] }, window(types, size)],
    attributes: { n_fft: size },
  };
}

function istft(types: Types): Suggestion {
  const { random } = types;
  const size = random.pick([1, 2, 4, 6, 8, 16]);
  const onesided = random.chance(0.6);
  const bins = onesided ? (size >> 1) + 1 : size;
  const dtype = random.chance(0.8) ? "complex64" : types.any();
  const shape = [...types.shape(random.below(2)), bins, random.pick([0, 1, 2, 3, 7])];
  return { types: [{ dtype, shape }, window(types, size)], attributes: { n_fft: size, onesided } };
}

function window(types: Types, size: number): TensorType | null {
  const sizes = [1, size, size - 1, size + 1].filter((length) => length > 0);
  return types.maybe(0.4, () => ({ dtype: "float32", shape: [types.random.pick(sizes)] }));
}

/** Strides that stay inside the operand, mostly. */
function asStrided(types: Types): Suggestion {
  const { random } = types;
  const shape = types.shape();
  const count = elementCount(shape);
  let left = Math.max(count - 1, 0);
  let offset = 0;
  const sizes = random.times(random.below(4), () => random.below(6));
  const strides = sizes.map((size) => {
    const most = size > 1 ? Math.floor(left / (size - 1)) : 10;
    const stride = random.chance(0.3) ? 0 : random.below(Math.min(most, 20) + 1);
    const reach = stride * Math.max(size - 1, 0);
    left -= reach;
    if (random.chance(0.8)) return stride;
    offset += reach;
    return -stride;
  });
  offset = random.chance(0.9)
    ? offset + random.below(Math.max(left, 0) + 1)
    : random.between(-1, count + 1);
  return { types: [{ dtype: types.any(), shape }], attributes: { shape: sizes, strides, offset } };
}

function searchsorted(types: Types): Suggestion {
  const dtype = types.any();
  const values = types.random.chance(0.7) ? dtype : types.any();
  return {
    types: [
      { dtype, shape: [types.size()] },
      { dtype: values, shape: types.shape(types.random.below(3)) },
    ],
  };
}

const nothing = (): Suggestion => ({ types: [] });

const samplers = ["bits", "uniform", "normal", "randint", "bernoulli", "truncated_normal"];

/** Random numbers, windows, strides and searches. */
export const OTHER_SUGGESTIONS: Suggestions = {
  ...Object.fromEntries(
    [...samplers, "gumbel", "laplace", "split"].map((name) => [`random.${name}`, sampled]),
  ),
  "random.key": nothing,
  "random.multivariate_normal": multivariate,
  "random.categorical": choice,
  "random.permutation": choice,
  "fft.stft": stft,
  "fft.istft": istft,
  as_strided: asStrided,
  searchsorted,
};
