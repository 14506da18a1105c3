/** What the demo gives with --json. */
export interface DemoResult {
  /** Who started the engine and watched it. */
  readonly host: "elixir" | "node";
  readonly sentences: readonly string[];
  /** One unit vector a sentence. */
  readonly embeddings: readonly (readonly number[])[];
  /** The layers that each subscriber saw, in the order in which the events came. */
  readonly events: { readonly values: readonly string[]; readonly summaries: readonly string[] };
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
