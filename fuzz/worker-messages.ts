import type { Outcome } from "./outcome.js";

/** What a worker is asked: to run the cases of some seeds, to tell the case of a seed, or to run a case that is given. */
export type Request =
  | { readonly first: number; readonly count: number }
  | { readonly draw: number }
  | { readonly item: string };

/** What a worker says; `step`, `drawn` and `trial` are packed. */
export type Answer =
  | { readonly ready: true }
  | { readonly seed: number; readonly outcome: Outcome }
  | { readonly done: true; readonly leak?: string }
  | { readonly step: string }
  | { readonly drawn: string }
  | { readonly trial: string };
