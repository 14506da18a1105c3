/** Something that is wrong, reduced. */
export interface Finding {
  readonly campaign: string;
  readonly seed: number;
  /** The process in which it happened. */
  readonly setup: string;
  /** In a few words: `died: SIGSEGV`. */
  readonly fault: string;
  readonly detail: string;
  /** What findings of the same cause have in common, probably: the ops of the case. */
  readonly likeness?: string | undefined;
  /** Text that can be pasted into a test; absent where the case could not be told. */
  readonly test?: string | undefined;
}

/** A finding for people: what happened, and the test case. */
export function formatFinding({ campaign, seed, setup, fault, detail, test }: Finding): string {
  const lines = [
    `FOUND ${fault}: ${campaign}, seed ${seed}, ${setup}`,
    ...detail.split("\n").map((line) => `  | ${line}`),
    "  {",
    `    title: "${campaign} ${seed}: ${fault}",`,
    test ?? "    // The case could not be told: it dies while it is drawn, or only after others.",
    "  },",
  ];
  return lines.join("\n");
}
