import type { Random } from "../random.js";

/** What a reader of numbers, texts, lists and maps does not expect. */
const STRANGE: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  1.5,
  255,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  -(2 ** 31),
  1e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "",
  "x",
  "__proto__",
  "constructor",
  "float32",
  "\u0000",
  "é".repeat(40),
  [],
  [[]],
  {},
  [0, 0],
  new Uint8Array(0),
  new Uint8Array(17),
];

/** The value with one to three changes somewhere in it. Lists and maps of it are copied, not changed. */
export function mutateValue(random: Random, value: unknown): unknown {
  let result = value;
  for (let count = random.pick([1, 1, 2, 3]); count > 0; count--) result = change(random, result);
  return result;
}

function change(random: Random, value: unknown): unknown {
  if (Array.isArray(value) && value.length > 0 && random.chance(0.85)) {
    const at = random.below(value.length);
    return random.chance(0.2)
      ? rearranged(random, value, at)
      : value.with(at, change(random, value[at]));
  }
  if (isMap(value) && Object.keys(value).length > 0 && random.chance(0.85)) {
    return changedMap(random, value);
  }
  return scalar(random, value);
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value);

function rearranged(random: Random, list: readonly unknown[], at: number): unknown[] {
  switch (random.below(4)) {
    case 0:
      return list.toSpliced(at, 1);
    case 1:
      return list.toSpliced(at, 0, list[at]);
    case 2:
      return list.toSpliced(at, 0, random.pick(STRANGE));
    default:
      return random.shuffled(list);
  }
}

function changedMap(random: Random, map: Record<string, unknown>): Record<string, unknown> {
  const name = random.pick(Object.keys(map));
  const { [name]: item, ...others } = map;
  if (random.chance(0.1)) return others;
  if (random.chance(0.1)) return { ...others, [`${name}x`]: item };
  return { ...map, [name]: change(random, item) };
}

function scalar(random: Random, value: unknown): unknown {
  if (typeof value === "number" && random.chance(0.5)) {
    return random.pick([value + 1, value - 1, -value, value * 2, value + 0.5, value * 65536]);
  }
  if (typeof value === "string" && random.chance(0.5)) {
    return random.pick([`${value}x`, value.slice(1), value.toUpperCase(), value.repeat(3)]);
  }
  return random.pick(STRANGE);
}
