/** A text's tokens, and which text it is. */
export interface Row {
  readonly index: number;
  readonly ids: readonly number[];
}

/** Texts that are computed together: each is padded to `length`. */
export interface RowBatch {
  readonly rows: readonly Row[];
  readonly length: number;
}

/** The most tokens of a batch, with padding. */
const BATCH_TOKENS = 4096;
const MAX_ROWS = 64;

/**
 * Groups texts by their lengths, so that little is padded and few programs are needed: lengths are rounded up to one of a few, and a
 * batch has 1, 2, 4, ... rows.
 */
export function batchesOf(rows: readonly Row[], longest: number): RowBatch[] {
  const groups = new Map<number, Row[]>();
  for (const row of rows) {
    const length = paddedLength(row.ids.length, longest);
    const group = groups.get(length);
    if (group === undefined) groups.set(length, [row]);
    else group.push(row);
  }
  const batches: RowBatch[] = [];
  // The longest first: the last batches to end are short ones.
  for (const [length, group] of [...groups].sort(([a], [b]) => b - a)) {
    const most = Math.min(MAX_ROWS, Math.max(1, floorToPower(BATCH_TOKENS / length)));
    for (let at = 0; at < group.length; ) {
      const count = Math.min(most, floorToPower(group.length - at));
      batches.push({ rows: group.slice(at, at + count), length });
      at += count;
    }
  }
  return batches;
}

/** Rounds up to a power of two, or to half as much again, from 8 on. */
export function paddedLength(length: number, longest: number): number {
  let power = 8;
  while (power < length) power *= 2;
  const between = power * 0.75;
  const padded = between >= length && between > 8 ? between : power;
  return Math.max(length, Math.min(padded, longest));
}

function floorToPower(count: number): number {
  return 2 ** Math.floor(Math.log2(count));
}
