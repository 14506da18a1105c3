import type { NativeEngine, ProgramId, RunId, SubscriptionId, ValueId } from "../native.js";
import { isBytes } from "../realm.js";
import type { TensorType } from "../tensor/dtype.js";
import { type TypedArray, typedArrayOf } from "../tensor/typed-array.js";
import type { Site } from "./site.js";

/**
 * Statistics of a tensor. `min`, `max`, `mean` and `std` (the population's) are over the finite elements and
 * NaN where there are none; the histogram has equal bins from min to max. Complex elements count by magnitude.
 */
export interface Summary {
  /** The number of elements. */
  readonly count: number;
  /** The least finite element. */
  readonly min: number;
  /** The greatest finite element. */
  readonly max: number;
  /** The mean of the finite elements. */
  readonly mean: number;
  /** The standard deviation of the finite elements. */
  readonly std: number;
  /** The number of elements that are NaN. */
  readonly nan: number;
  /** The number of infinite elements. */
  readonly inf: number;
  /** The number of finite elements in each bin. */
  readonly histogram: readonly number[];
}

/** A value of an event before it is typed: raw bytes, row by row, or a summary. */
export type HookValue = Uint8Array | Summary;

/** An event as the engine's own parts take it: with raw values. Its site comes beside it. */
export interface RawEvent {
  readonly run: RunId;
  readonly program: ProgramId;
  /** Events of this run before this one. */
  readonly seq: number;
  /** Iterations of the loops around the node, outermost first. */
  readonly path: readonly number[];
  /** Events that the policy left out since the subscription's previous event. */
  readonly dropped: number;
  readonly values: readonly HookValue[];
}

/** An event as it comes out of the native engine. */
export interface NativeEvent extends RawEvent {
  readonly subscription: SubscriptionId;
  /** The number of its site. */
  readonly site: number;
  /** Bytes that it holds of its credit budget until they are given back. */
  readonly cost: number;
}

/** One firing of a hook, or of a watched node, as a handler of this process gets it. */
export interface Event {
  /** The hook's name, where it has one. */
  readonly name: string | undefined;
  /** The node's label, where it has one. */
  readonly label: string | undefined;
  /** The node's number in program order: tells two hooks of one name apart. */
  readonly site: number;
  /** The number of the run, in this process. */
  readonly run: RunId;
  /** The number of the program, in this process. */
  readonly program: ProgramId;
  /** Events of this run before this one. */
  readonly seq: number;
  /** Iterations of the loops around the node, outermost first. */
  readonly path: readonly number[];
  /** Events that the policy left out since the previous one. */
  readonly dropped: number;
  /** The first value; most hooks have one. */
  readonly value: TypedArray | Summary;
  /** All its values. */
  readonly values: readonly (TypedArray | Summary)[];
  /** The values' types; a `slice` view has fewer elements than they say. */
  readonly types: readonly TensorType[];
}

/** A function of this process that gets the events of a subscription. While a promise that it returns is pending, its events count as in flight. */
export type EventHandler = (event: Event) => unknown;

/** Returns the event with its values as typed arrays, in the form of {@link Tensor.view}. */
export function toEvent(
  { run, program, seq, path, dropped, values: raw }: RawEvent,
  site: Site,
): Event {
  const values = raw.map((value, index) =>
    isBytes(value) ? typedArrayOf((site.types[index] as TensorType).dtype, value) : value,
  );
  return {
    name: site.name,
    label: site.label,
    site: site.number,
    run,
    program,
    seq,
    path,
    dropped,
    value: values[0] as TypedArray | Summary,
    values,
    types: site.types,
  };
}

/** A `custom_call.callback` node that waits for its reply. Its tensors belong to the receiver, who frees them. */
export interface CallbackRequest {
  readonly run: RunId;
  readonly program: ProgramId;
  /** The number of its site. */
  readonly site: number;
  readonly seq: number;
  /** The number by which it is answered. */
  readonly callback: number;
  readonly path: readonly number[];
  readonly values: readonly CallbackValue[];
}

/** The bytes of a small value, or a tensor. */
export type CallbackValue = Uint8Array | ValueId;

/** Frees the tensors of a callback's request. */
export function freeValues({ values }: CallbackRequest, native: Pick<NativeEngine, "free">): void {
  for (const value of values) if (typeof value === "number") native.free(value);
}
