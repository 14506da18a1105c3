import type { Attribute } from "../../src/graph/graph.js";
import type { AttributeSpec } from "../../src/graph/ops/spec.js";
import { DTYPES, elementCount, type TensorType } from "../../src/tensor/dtype.js";
import type { Types } from "./types.js";

/** Integers at which counters, sizes and products of them overflow. */
const EXTREME: readonly (number | bigint)[] = [
  -(2 ** 31),
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 31 - 2,
  2 ** 32,
  2 ** 53 - 1,
  1 - 2 ** 53,
  2 ** 30,
  -(2 ** 30),
  65536,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
  -(2n ** 63n),
];
const FLOATS = [
  0,
  1,
  -1,
  0.5,
  2,
  3,
  -2,
  1e-5,
  10,
  -10,
  1e30,
  -1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  5e-324,
  100,
  2 ** 31,
  1e9,
];
const COUNTS = [0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 16, 32, 33, 64, -1, -2, -3];

/** A node whose attributes are drawn. */
interface Call {
  readonly op: string;
  readonly types: readonly (TensorType | null)[];
}

/** Draws an attribute that is not suggested: mostly one that fits, at times an extreme one. */
export function drawAttribute(
  types: Types,
  name: string,
  spec: AttributeSpec,
  call: Call,
): Attribute {
  const { random } = types;
  const shape = call.types.find((type) => type !== null)?.shape ?? [];
  switch (spec.kind) {
    case "bool":
      return random.chance(0.5);
    case "int":
      return drawInt(types, name, shape.length);
    case "ints":
      return drawInts(types, name, call.op, shape);
    case "float":
      return random.pick(FLOATS);
    case "floats":
      return random.times(random.below(4), () => random.pick(FLOATS));
    case "string":
      return spec.values === undefined ? "a" : random.pick(spec.values);
    case "dtype":
      return random.chance(0.5) ? types.float() : random.pick(DTYPES);
    case "bytes":
      return new Uint8Array(random.below(20));
    default:
      throw new Error(`nothing draws the attribute "${name}" of ${call.op}, of kind ${spec.kind}`);
  }
}

function drawInt(types: Types, name: string, rank: number): number | bigint {
  const { random } = types;
  if (random.chance(0.04)) return random.pick(EXTREME);
  if (/axis|source|destination/.test(name)) {
    return random.chance(0.95) && rank > 0
      ? random.between(-rank, rank - 1)
      : random.between(-rank - 2, rank + 1);
  }
  if (name === "kth") return random.between(-5, 5);
  if (name === "seed") return random.pick([0, 1, 2 ** 32, 2n ** 64n - 1n, -1]);
  return random.chance(0.8) ? random.pick(COUNTS) : random.below(100);
}

function drawInts(
  types: Types,
  name: string,
  op: string,
  shape: readonly number[],
): (number | bigint)[] {
  const { random } = types;
  const list: (number | bigint)[] = fittingInts(types, name, op, shape);
  if (list.length > 0 && random.chance(0.04))
    list[random.below(list.length)] = random.pick(EXTREME);
  return list;
}

function fittingInts(types: Types, name: string, op: string, shape: readonly number[]): number[] {
  const { random } = types;
  const rank = shape.length;
  const few = () => random.pick([1, 1, Math.max(1, rank - 2)]);
  switch (name) {
    case "axes":
      return axes(types, op, rank);
    case "shape":
      return newShape(types, op, shape);
    case "pad_width":
      return random.times(2 * rank, () => random.pick([0, 0, 1, 2, 3, 5, 9]));
    case "reps":
      return random.times(random.below(rank + 2), () => random.pick([0, 1, 1, 2, 3]));
    case "s":
      return random.times(random.pick([rank, 1, 2]), () => random.pick([1, 2, 3, 4, 5, 8, 0]));
    case "indices":
      return random.times(random.below(4), () => random.between(-3, 8));
    case "shift":
      return random.times(random.pick([1, 1, rank]), () => random.between(-10, 9));
    default:
      if (name.includes("padding")) {
        return random.times(few(), () => random.pick([0, 0, 1, 2, 3, -1, -2]));
      }
      if (/stride|dilation/.test(name)) return random.times(few(), () => random.pick([1, 1, 2, 3]));
      return types.shape();
  }
}

function axes(types: Types, op: string, rank: number): number[] {
  const { random } = types;
  const all = [...Array(rank).keys()];
  if (op === "transpose") return random.shuffled(all);
  if (op === "expand_dims") {
    return random.times(random.between(1, 3), () => random.between(-1, rank + 1));
  }
  const some = random.some(all, 0.6).map((axis) => (random.chance(0.7) ? axis : axis - rank));
  if (random.chance(0.04)) some.push(random.between(-4, 3));
  return random.chance(0.5) ? some.reverse() : some;
}

function newShape(types: Types, op: string, shape: readonly number[]): number[] {
  const { random } = types;
  if (op === "reshape") return factors(types, elementCount(shape));
  if (op === "unflatten")
    return random.pick([[-1], [1, -1], [-1, 1], [2, -1], [-1, 2], [-1, 3, 1]]);
  if (op !== "broadcast_to") return types.shape();
  const spread = shape.map((size) => (size === 1 && random.chance(0.5) ? types.size() : size));
  const more = random.times(random.below(3), () => types.size());
  return random.chance(0.02)
    ? [random.pick([65536, 2 ** 20, 2 ** 31 - 1]), ...spread]
    : [...more, ...spread];
}

/** Sizes that so many elements fit. */
function factors(types: Types, count: number): number[] {
  const { random } = types;
  if (random.chance(0.4)) return [-1];
  let left = count;
  const sizes = random.times(random.below(4), () => {
    const size = random.pick([1, 2, 3, 4, 5, 7, 8].filter((factor) => left % factor === 0));
    left /= size;
    return size;
  });
  return [...sizes, random.chance(0.7) ? left : -1];
}
