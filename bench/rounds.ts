import { setTimeout } from "node:timers/promises";
import { median } from "./stats.js";

/** The medians of each round, of each part. */
export type Rounds<Part extends string> = Readonly<Record<Part, readonly number[]>>;

/** The threads of an OpenBLAS stay awake for some milliseconds after their last product, on cores that the other wants. */
export const UNTIL_ASLEEP = 100;

/**
 * Takes the parts in turn, round after round (A B B A A B ...): whatever else the machine does then hits all of
 * them alike. Each part returns samples, of which a round keeps the median. The first round warms up and is not kept.
 * `pause`: milliseconds before each part, where those before it leave something behind.
 */
export async function interleave<Part extends string>(
  rounds: number,
  parts: Readonly<Record<Part, () => Promise<readonly number[]>>>,
  pause = 0,
): Promise<Rounds<Part>> {
  const names = Object.keys(parts) as Part[];
  const medians = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Part,
    number[]
  >;
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      if (pause > 0) await setTimeout(pause);
      const samples = await parts[name]();
      if (round > 0) medians[name].push(median(samples));
    }
  }
  return medians;
}

/** The median over the rounds of what is computed from each of them. */
export function overRounds<Part extends string>(
  rounds: Rounds<Part>,
  compute: (medians: Readonly<Record<Part, number>>) => number,
): number {
  const names = Object.keys(rounds) as Part[];
  const count = rounds[names[0] as Part].length;
  return median(
    Array.from({ length: count }, (_, round) =>
      compute(
        Object.fromEntries(names.map((name) => [name, rounds[name][round]])) as Record<
          Part,
          number
        >,
      ),
    ),
  );
}
