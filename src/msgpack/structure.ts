/** How a msgpack item goes on after its first byte: `lengthBytes` that say its size, or `size` itself. */
export interface ItemShape {
  readonly kind: "bytes" | "items" | "pairs" | "refused";
  readonly size: number;
  readonly lengthBytes: number;
}

const shape = (kind: ItemShape["kind"], size: number, lengthBytes = 0): ItemShape => ({
  kind,
  size,
  lengthBytes,
});

/** The first bytes 0xc0 to 0xdf: nil, booleans, binaries, extensions, numbers, strings, arrays, maps. */
const MIDDLE: readonly ItemShape[] = [
  ...[shape("bytes", 0), shape("refused", 0), shape("bytes", 0), shape("bytes", 0)],
  ...[1, 2, 4].map((lengthBytes) => shape("bytes", 0, lengthBytes)),
  ...[1, 2, 3].map(() => shape("refused", 0)),
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8].map((size) => shape("bytes", size)),
  ...[1, 2, 3, 4, 5].map(() => shape("refused", 0)),
  ...[1, 2, 4].map((lengthBytes) => shape("bytes", 0, lengthBytes)),
  ...[2, 4].map((lengthBytes) => shape("items", 0, lengthBytes)),
  ...[2, 4].map((lengthBytes) => shape("pairs", 0, lengthBytes)),
];

/** The shape of an item by its first byte. Extension types and the byte that msgpack never uses are refused. */
export const SHAPES: readonly ItemShape[] = Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x80 || byte >= 0xe0) return shape("bytes", 0);
  if (byte < 0x90) return shape("pairs", byte & 15);
  if (byte < 0xa0) return shape("items", byte & 15);
  if (byte < 0xc0) return shape("bytes", byte & 31);
  return MIDDLE[byte - 0xc0] as ItemShape;
});

/** What is wrong with the structure of some bytes. */
export type StructureFault =
  | { readonly kind: "truncated" }
  | { readonly kind: "refused"; readonly byte: number }
  | { readonly kind: "deep" };

/** The deepest nesting of arrays and maps that can be checked. */
export const MAX_DEPTH = 16;
const open = new Float64Array(MAX_DEPTH);

/**
 * Checks lengths and depth before anything is allocated: five bytes can ask a decoder for an array of four thousand million items, and
 * each nested one again. An item has one byte at least, so the items still owed can never be more than the bytes left. Returns what is
 * wrong with the first item of the bytes.
 */
export function findFault(bytes: Uint8Array): StructureFault | undefined {
  const end = bytes.length;
  let position = 0;
  let depth = 0;
  let missing = 1;
  let owed = 1;
  while (missing > 0) {
    if (owed > end - position) return { kind: "truncated" };
    missing--;
    owed--;
    const byte = bytes[position++] as number;
    const { kind, size: own, lengthBytes } = SHAPES[byte] as ItemShape;
    let size = own;
    if (lengthBytes > 0) {
      if (lengthBytes > end - position) return { kind: "truncated" };
      for (let index = 0; index < lengthBytes; index++) {
        size = size * 256 + (bytes[position++] as number);
      }
    }
    if (kind === "bytes") {
      position += size;
    } else if (kind === "refused") {
      return { kind: "refused", byte };
    } else if (size > 0) {
      if (depth === MAX_DEPTH) return { kind: "deep" };
      open[depth++] = missing;
      missing = kind === "pairs" ? 2 * size : size;
      owed += missing;
    }
    while (missing === 0 && depth > 0) missing = open[--depth] as number;
  }
  return position > end ? { kind: "truncated" } : undefined;
}
