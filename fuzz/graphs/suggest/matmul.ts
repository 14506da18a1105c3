import { DTYPES } from "../../../src/tensor/dtype.js";
import type { Types } from "../types.js";
import type { Suggestion, Suggestions } from "./suggestion.js";

function factors(types: Types, inner = false) {
  const { random } = types;
  const [m, k, n] = [types.size(), types.size(), types.size()];
  const batch = types.batch();
  const dtype = types.float();
  const vector = () => random.chance(0.1);
  const right = inner ? [n, k] : [k, n];
  return {
    m,
    k,
    n,
    batch,
    dtype,
    a: types.type(dtype, vector() ? [k] : [...batch, m, k]),
    b: types.type(dtype, vector() ? [k] : [...(random.chance(0.7) ? batch : []), ...right]),
  };
}

function product(types: Types, op: string): Suggestion {
  const { a, b } = factors(types, op === "inner");
  return { types: [a, b] };
}

function addmm(types: Types): Suggestion {
  const { a, b, m, n, batch, dtype } = factors(types);
  const c = types.random.pick([[], [n], [m, n], [...batch, m, n], [m, 1]]);
  return { types: [types.type(dtype, c), a, b] };
}

function gatherMm(types: Types): Suggestion {
  const { a, b } = factors(types);
  const shape = types.shape(types.random.below(3));
  const indices = () => types.maybe(0.7, () => types.type(types.integer(), shape));
  return { types: [a, b, indices(), indices()] };
}

function blockMasked(types: Types): Suggestion {
  const { random } = types;
  const { a, b, m, k, n, batch } = factors(types);
  const size = random.pick([32, 64]);
  const dtype = random.pick(["bool", "float32"] as const);
  const mask = (...sizes: number[]) => {
    const blocks = sizes.map((length) => Math.ceil(length / size));
    return types.maybe(0.6, () => types.type(dtype, [...batch, ...blocks]));
  };
  return {
    types: [
      { dtype: "float32", shape: a.shape },
      { dtype: "float32", shape: b.shape },
      mask(m, n),
      mask(m, k),
      mask(k, n),
    ],
    attributes: { block_size: size },
  };
}

function segmented(types: Types): Suggestion {
  const { m, k, n, dtype } = factors(types);
  const segments = [...types.shape(types.random.below(2)), 2];
  return {
    types: [
      types.type(dtype, [m, k]),
      types.type(dtype, [k, n]),
      types.type(types.integer(), segments),
    ],
  };
}

function hadamard(types: Types): Suggestion {
  const size = types.random.pick([1, 2, 4, 12, 24, 20, 28, 56, 64, 128, 40]);
  return { types: [types.type(types.float(), [...types.shape(types.random.below(2)), size])] };
}

function einsum(types: Types): Suggestion {
  const { random } = types;
  const letters = [..."abcdef"];
  const sizes = new Map(letters.map((letter) => [letter, random.below(6)]));
  const terms = random.times(random.between(1, 3), () =>
    random.times(random.below(4), () => random.pick(letters)).join(""),
  );
  const dtype = types.float();
  const used = [...new Set(terms.join(""))];
  const output = random.chance(0.8) ? `->${random.shuffled(random.some(used)).join("")}` : "";
  return {
    types: terms.map((term) =>
      types.type(
        dtype,
        [...term].map((letter) => sizes.get(letter) as number),
      ),
    ),
    attributes: { subscripts: terms.join(",") + output },
  };
}

function tensordot(types: Types): Suggestion {
  const { random } = types;
  const left = types.shape(random.below(4));
  const count = random.below(left.length + 1);
  const from = left.length - count;
  const right = [...left.slice(from), ...types.shape(random.below(2))];
  const dtype = types.float();
  const listed = random.chance(0.5);
  return {
    types: [types.type(dtype, left), types.type(dtype, right)],
    attributes: {
      axes: listed ? undefined : count,
      axes_a: listed ? random.times(count, (axis) => from + axis) : undefined,
      axes_b: listed ? random.times(count, (axis) => axis) : undefined,
    },
  };
}

function kron(types: Types): Suggestion {
  const dtype = types.random.pick(DTYPES);
  const small = () => types.shape(types.random.below(3)).map((size) => Math.min(size, 5));
  return { types: [types.type(dtype, small()), types.type(dtype, small())] };
}

/** Products of matrices and their kin. */
export const MATMUL_SUGGESTIONS: Suggestions = {
  matmul: product,
  inner: product,
  addmm,
  gather_mm: gatherMm,
  block_masked_mm: blockMasked,
  segmented_mm: segmented,
  hadamard_transform: hadamard,
  einsum,
  tensordot,
  kron,
};
