/**
 * Makes a case smaller as long as it fails in the same way.
 * @param smaller cases that are almost a given one but smaller
 * @param fails whether a case still fails in the same way
 * @param until milliseconds since the epoch at which what was reached has to do
 */
export async function reduce<Case>(
  item: Case,
  smaller: (item: Case) => Iterable<Case>,
  fails: (item: Case) => Promise<boolean>,
  until: number,
): Promise<Case> {
  let smallest = item;
  for (let progress = true; progress; ) {
    progress = false;
    for (const candidate of smaller(smallest)) {
      if (Date.now() > until) return smallest;
      if (await fails(candidate)) {
        smallest = candidate;
        progress = true;
        break;
      }
    }
  }
  return smallest;
}
