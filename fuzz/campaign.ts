import type { Outcome } from "./outcome.js";

/** A kind of cases, as the process that runs them knows it. `Case` travels between processes: structured data only. */
export interface Campaign<Case> {
  /** The case of a seed; undefined where none comes of it. `onStep` is told what is tried, before it is. */
  draw(seed: number, onStep?: (step: unknown) => void): Case | undefined;
  /** Runs a case. `keep` asks for the values, to be compared. */
  run(item: Case, keep?: boolean): Promise<Outcome>;
  /** What is wrong after many cases, with all of them over: memory that is not given back. */
  settle(): Promise<string | undefined>;
  close(): Promise<void>;
}

/** A kind of cases, as the process that hands them out knows it. */
export interface CampaignKind<Case> {
  readonly name: string;
  readonly about: string;
  /** In which processes each case runs; two of them have to give the same. */
  readonly setups: readonly Setup[];
  /** Where the first setup computes with kernels of the engine's own and the second with MLX's: when they agree. */
  readonly kernels?: KernelRules<Case>;
  /** Cases that are almost this one but smaller, the most promising first. */
  smaller(item: Case): Iterable<Case>;
  /** What a case has in common with those that fail for the same reason, probably. */
  likeness(item: Case): string;
  /** The case as text that can be pasted into a test. */
  print(item: Case): string;
}

/** What kernels may give that MLX's do not. */
export interface KernelRules<Case> {
  /** Whether the values of a case say something about kernels: nothing overflows, and no result jumps. */
  isCalm(item: Case): boolean;
  /** The same case with its data moved by a last digit, to see how much that moves its values. */
  nudged(item: Case): Case;
}

/** A kind of process. */
export interface Setup {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

const GUARDED = { DAVIT_GUARD_PAGES: "1" };

/** Streams run on the lane's thread. */
export const INLINE: Setup = { name: "inline", env: { ...GUARDED, DAVIT_POISON: "65" } };

/** The same, and MLX's kernels compute everything. */
export const INLINE_MLX: Setup = {
  name: "inline with MLX's kernels",
  env: { ...INLINE.env, DAVIT_KERNELS: "mlx" },
};

/** Streams have threads of their own, and fresh memory holds something else. */
export const THREADS: Setup = {
  name: "threads",
  env: { ...GUARDED, DAVIT_POISON: "183", DAVIT_STREAM_THREADS: "1" },
};
