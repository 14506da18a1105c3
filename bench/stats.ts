/** Statistics of samples. They are numbers of any unit, in any order, and at least one. */

/** The value below which a part `q` of the samples lies, between two samples where need be. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) throw new RangeError("there are no samples");
  return below + (above - below) * (at - Math.floor(at));
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** A number with as many digits as it is worth. */
export const round = (value: number, digits = 4): number => Number(value.toPrecision(digits));
