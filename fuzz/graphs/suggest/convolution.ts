import type { Types } from "../types.js";
import type { Suggestion, Suggestions } from "./suggestion.js";

function convolution(types: Types, op: string): Suggestion {
  const { random } = types;
  const axes = Number(/\d/.exec(op)?.[0] ?? random.between(1, 3));
  const groups = random.pick([1, 1, 1, 2, 3, 4]);
  const channels = () => random.pick([1, 2, 3, 4, 8, 16]);
  const [into, out] = [channels(), channels() * groups];
  const spatial = random.times(axes, () => random.pick([0, 1, 2, 3, 5, 8, 12]));
  const kernel = random.times(axes, () => random.pick([1, 2, 3, 4, 5]));
  const dtype = types.float();
  return {
    types: [
      types.type(dtype, [random.below(4), ...spatial, into * groups]),
      types.type(dtype, [out, ...kernel, into]),
    ],
    attributes: { groups },
  };
}

function convolve(types: Types): Suggestion {
  const dtype = types.float();
  const vector = () => types.type(dtype, [types.positive()]);
  return { types: [vector(), vector()] };
}

/** Convolutions. */
export const CONVOLUTION_SUGGESTIONS: Suggestions = {
  conv1d: convolution,
  conv2d: convolution,
  conv3d: convolution,
  conv_transpose1d: convolution,
  conv_transpose2d: convolution,
  conv_transpose3d: convolution,
  conv_general: convolution,
  convolve,
};
