/** The token ids of so many different sentences, row after row: [CLS], words of the vocabulary, [SEP]. */
export function sentences(count: number, tokens = 16): number[] {
  const words = Array.from({ length: tokens - 2 });
  return Array.from({ length: count }).flatMap((_, row) => [
    101,
    ...words.map((_, word) => 2000 + ((131 * row + 977 * word) % 20_000)),
    102,
  ]);
}
