import type { Random } from "../random.js";

/** Values at which lengths, offsets and counts go wrong. */
const LENGTHS = [
  0n,
  1n,
  7n,
  8n,
  127n,
  128n,
  255n,
  256n,
  65535n,
  2n ** 20n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const LONGEST = 64 * 1024;

/** The bytes with one to four changes. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let result = bytes;
  for (let count = random.pick([1, 1, 2, 4]); count > 0; count--) result = change(random, result);
  return result;
}

function change(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = Math.min(bytes.length - at, 1 + random.below(random.pick([1, 8, 64])));
  const before = bytes.subarray(0, at);
  const after = bytes.subarray(at + length);
  const range = bytes.subarray(at, at + length);
  switch (random.below(9)) {
    case 0:
      return before;
    case 1:
      return join(before, after);
    case 2:
      return join(before, range, range, after);
    case 3:
      return join(before, noise(random, length), after);
    case 4:
      return join(before, noise(random, random.below(16)), range, after);
    case 5:
      return splice(random, bytes, at);
    default:
      return random.chance(0.5) ? flip(random, bytes, at) : number(random, bytes, at);
  }
}

/** Parts one after the other; never much longer than what was changed. */
export function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts)).subarray(0, LONGEST);
}

const noise = (random: Random, length: number) =>
  Uint8Array.from(random.times(length, () => random.below(256)));

function flip(random: Random, bytes: Uint8Array, at: number): Uint8Array {
  const result = Uint8Array.from(bytes);
  if (at < result.length) result[at] = (result[at] as number) ^ (1 << random.below(8));
  return result;
}

/** A number of some width in place of what was there. */
function number(random: Random, bytes: Uint8Array, at: number): Uint8Array {
  const width = random.pick([1, 2, 4, 8]);
  const result = Uint8Array.from(bytes);
  const view = new DataView(result.buffer);
  if (at + width > result.length) return flip(random, bytes, at);
  const value = random.pick(LENGTHS);
  const little = random.chance(0.5);
  if (width === 1) view.setUint8(at, Number(BigInt.asUintN(8, value)));
  if (width === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), little);
  if (width === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), little);
  if (width === 8) view.setBigUint64(at, value, little);
  return result;
}

/** A piece of the bytes in another place of them. */
function splice(random: Random, bytes: Uint8Array, at: number): Uint8Array {
  const from = random.below(bytes.length + 1);
  const piece = bytes.subarray(from, from + random.below(64));
  return join(bytes.subarray(0, at), piece, bytes.subarray(at));
}
