/** What the demo gives with --json. */
export interface DemoResult {
  /** Who started the engine and watched it. */
  readonly host: "elixir" | "node";
  readonly sentences: readonly string[];
  /** One unit vector a sentence. */
  readonly embeddings: readonly (readonly number[])[];
  /** For each subscriber the layers that it saw, in the order in which they came first, and how often. */
  readonly events: Readonly<Record<"values" | "summaries", Readonly<Record<string, number>>>>;
  /** Milliseconds. */
  readonly timings: {
    /** Until the engine answered. */
    readonly start: number;
    /** Loading the program; the weights are only named. */
    readonly load: number;
    /** The run: reading the weights, compiling, computing. */
    readonly run: number;
  };
}

/** Counts names; keys are in the order of their first occurrence. */
export function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
