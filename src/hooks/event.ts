import type { NativeEngine, ProgramId, RunId, SubscriptionId, ValueId } from "../native.js";
import type { Site } from "./site.js";

/**
 * Statistics of a tensor. `min`, `max`, `mean` and `std` (the population's) are over the finite elements and
 * NaN where there are none; the histogram has equal bins from min to max. Complex elements count by magnitude.
 */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
  readonly nan: number;
  readonly inf: number;
  readonly histogram: readonly number[];
}

/** A value as a subscriber gets it: raw bytes, row by row, or a summary. */
export type HookValue = Uint8Array | Summary;

/** One firing of a hook, as it comes out of the native engine. */
export interface EventRecord {
  readonly subscription: SubscriptionId;
  readonly run: RunId;
  readonly program: ProgramId;
  readonly site: number;
  /** Firings in this run before this one. */
  readonly seq: number;
  /** Iterations of the loops around it, outermost first. */
  readonly path: readonly number[];
  /** Firings that the policy left out since the subscription's previous event. */
  readonly dropped: number;
  /** Bytes that it holds of its channel's budget until they are given back. */
  readonly cost: number;
  readonly values: readonly HookValue[];
}

/** A `call` node that waits for its reply. Its tensors belong to whoever handles it, who frees them. */
export interface CallRecord {
  readonly run: RunId;
  readonly program: ProgramId;
  readonly site: number;
  readonly seq: number;
  readonly call: number;
  readonly path: readonly number[];
  readonly values: readonly CallValue[];
}

/** The bytes of a small value, or a tensor. */
export type CallValue = Uint8Array | ValueId;

/** Gives up a call's tensors. */
export function freeValues({ values }: CallRecord, native: Pick<NativeEngine, "free">): void {
  for (const value of values) if (typeof value === "number") native.free(value);
}

/** A firing as a handler in this process gets it. */
export interface HookEvent {
  readonly site: Site;
  readonly run: RunId;
  readonly program: ProgramId;
  readonly seq: number;
  readonly path: readonly number[];
  readonly dropped: number;
  readonly values: readonly HookValue[];
}
