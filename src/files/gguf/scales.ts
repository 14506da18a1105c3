/**
 * Scale and minimum of a group of Q4_K and Q5_K, each 6 bits. Those of the first four groups are the low bits of bytes of their own; of
 * the others 4 bits are in 4 more bytes, and 2 in the high bits of the first ones.
 */
export function scaleAndMin(bytes: Uint8Array, at: number, group: number): [number, number] {
  const byte = (index: number) => bytes[at + index] as number;
  if (group < 4) return [byte(group) & 63, byte(group + 4) & 63];
  const low = byte(group + 4);
  return [(low & 0x0f) | ((byte(group - 4) >> 6) << 4), (low >> 4) | ((byte(group) >> 6) << 4)];
}

/** The signed 6-bit scale of 16 elements of Q3_K: 4 bits in the first 8 bytes, 2 in the last 4. */
export function signedScale(block: DataView, at: number, group: number): number {
  const byte = block.getUint8(at + (group & 7));
  const low = group < 8 ? byte & 0x0f : byte >> 4;
  const high = (block.getUint8(at + 8 + (group & 3)) >> (2 * (group >> 2))) & 3;
  return (low | (high << 4)) - 32;
}
