import type { Dtype } from "../../../src/tensor/dtype.js";
import type { Types } from "../types.js";
import { eitherWay, type Suggestion, type Suggestions, someAxes } from "./suggestion.js";

const FAR = [-(2 ** 31), 2 ** 31 - 1, 2 ** 31, -(2 ** 53) + 1];

const sameOr = (types: Types, dtype: Dtype) => (types.random.chance(0.8) ? dtype : types.any());

function take(types: Types): Suggestion {
  return {
    types: [types.anyType(), types.type(types.integer(), types.shape(types.random.below(3)))],
  };
}

function alongAxis(types: Types, op: string): Suggestion {
  const { random } = types;
  const shape = types.shape(random.between(1, 3));
  const axis = random.below(shape.length);
  const indices = shape.map((size, at) =>
    at === axis ? types.size() : random.chance(0.85) ? size : 1,
  );
  const dtype = types.any();
  const operands = [types.type(dtype, shape), types.type(types.integer(), indices)];
  if (op !== "take_along_axis") {
    operands.push(types.type(sameOr(types, dtype), random.pick([indices, [], [1]])));
  }
  return { types: operands, attributes: { axis: eitherWay(types, axis, shape.length) } };
}

function places(types: Types) {
  const { random } = types;
  const shape = types.shape(random.below(4));
  const axes = someAxes(types, shape.length);
  const at = types.shape(random.below(3)).map((size) => Math.min(size, 6));
  const slices = shape.map((size) =>
    random.chance(0.4) ? Math.min(size, 1) : random.below(size + 1),
  );
  const indices = axes.map(() => types.type(types.integer(), random.chance(0.85) ? at : []));
  return { shape, axes, at, slices, indices, dtype: types.any() };
}

function gather(types: Types): Suggestion {
  const { shape, axes, slices, indices, dtype } = places(types);
  return {
    types: [{ dtype, shape }, ...indices],
    attributes: {
      axes: axes.map((axis) => eitherWay(types, axis, shape.length)),
      slice_sizes: slices,
    },
  };
}

function scatter(types: Types): Suggestion {
  const { shape, axes, at, slices, indices, dtype } = places(types);
  const updates = types.type(sameOr(types, dtype), [...at, ...slices]);
  return { types: [{ dtype, shape }, updates, ...indices], attributes: { axes } };
}

function maskedScatter(types: Types): Suggestion {
  const { random } = types;
  const shape = types.shape(random.below(4));
  const dtype = types.any();
  const mask = random.chance(0.5) ? shape : shape.slice(0, random.below(shape.length + 1));
  return {
    types: [
      { dtype, shape },
      types.type("bool", mask),
      { dtype, shape: types.shape(random.below(3)) },
    ],
  };
}

function dynamicSlice(types: Types, op: string): Suggestion {
  const { random } = types;
  const shape = types.shape(random.below(4));
  const axes = someAxes(types, shape.length);
  const sizes = shape.map((size) => random.below(size + 1));
  const start = types.type(types.integer(), [axes.length]);
  const dtype = types.any();
  if (op === "dynamic_slice") {
    return { types: [{ dtype, shape }, start], attributes: { axes, slice_size: sizes } };
  }
  const dropped = random.chance(0.3) ? random.below(sizes.length + 1) : 0;
  const update = types.type(sameOr(types, dtype), sizes.slice(dropped));
  return { types: [{ dtype, shape }, update, start], attributes: { axes } };
}

function slice(types: Types, op: string): Suggestion {
  const { random } = types;
  const shape = types.shape(random.below(4));
  const bound = (size: number) =>
    random.chance(0.04) ? random.pick(FAR) : random.between(-size - 2, size + 2);
  const dtype = types.any();
  const attributes = {
    start: shape.map(bound),
    stop: shape.map(bound),
    strides: random.chance(0.5)
      ? shape.map(() => random.pick([1, 1, 2, 3, -1, -1, -2, 2 ** 31 - 1, -(2 ** 31) + 1]))
      : undefined,
  };
  const operands = [{ dtype, shape }];
  if (op !== "slice") {
    const update = random.chance(0.5) ? [] : types.shape(random.below(3));
    operands.push({ dtype: sameOr(types, dtype), shape: update });
  }
  return { types: operands, attributes };
}

function matrix(types: Types): Suggestion {
  return { types: [{ dtype: types.any(), shape: types.shape(types.random.between(1, 3)) }] };
}

const SUFFIXES = ["", "_add", "_prod", "_max", "_min"];
const named = (stem: string, suggest: typeof slice) =>
  Object.fromEntries(SUFFIXES.map((suffix) => [stem + suffix, suggest]));

/** Reading and writing at places that data says. */
export const INDEXING_SUGGESTIONS: Suggestions = {
  take,
  take_along_axis: alongAxis,
  put_along_axis: alongAxis,
  scatter_add_axis: alongAxis,
  gather,
  masked_scatter: maskedScatter,
  dynamic_slice: dynamicSlice,
  dynamic_slice_update: dynamicSlice,
  slice,
  diag: matrix,
  diagonal: matrix,
  trace: matrix,
  ...named("scatter", scatter),
  ...named("slice_update", slice),
};
