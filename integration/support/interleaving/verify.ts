import type { Summary } from "../../../src/hooks/event.js";
import {
  type ExpectedEvent,
  KINDS,
  type KindName,
  type MatchName,
  matches,
  type Vector,
} from "./programs.js";
import type { WatchPlan } from "./schedule.js";

/** An event as it came. */
export interface Observed {
  readonly name: string | undefined;
  readonly label: string | undefined;
  readonly seq: number;
  readonly path: readonly number[];
  readonly dropped: number;
  readonly values: readonly (Vector | Summary)[];
}

/** A call as it came. */
export interface ObservedCall {
  readonly path: readonly number[];
  readonly values: readonly Vector[];
}

/** What a run should have done, as far as it can be told. */
export interface Story {
  readonly events: readonly ExpectedEvent[];
  /** What it gave; undefined where it could not get to its end. */
  readonly result: Vector | undefined;
}

/** Goes through a run of a program with the replies that its handlers gave, by path. */
export function tell(
  kind: KindName,
  x: Vector,
  replies: ReadonlyMap<string, readonly Vector[]>,
  most: number,
): Story {
  const events: ExpectedEvent[] = [];
  const stop = new Error("stop");
  try {
    const result = KINDS[kind].simulate(x, (event) => {
      if (events.push(event) > most) throw stop;
      if (event.kind !== "callback") return [];
      const reply = replies.get(event.path.join());
      if (reply === undefined) throw stop;
      return reply;
    });
    return { events, result };
  } catch (error) {
    if (error !== stop) throw error;
    return { events, result: undefined };
  }
}

/** What is known of a subscription, for one run. */
export interface Expectation {
  readonly match: MatchName | "prints";
  readonly policy: WatchPlan["policy"];
  readonly view: WatchPlan["view"];
  /** Whether it is the run's own: nobody else's events count. */
  readonly own: boolean;
  /** Whether it was there before the run began. */
  readonly before: boolean;
  /** Whether it was there when the run ended well. */
  readonly after: boolean;
}

/** Holds the events of one run and one subscription against the story; gives what is wrong with them. */
export function checkEvents(
  events: readonly Observed[],
  { events: all }: Story,
  expected: Expectation,
): string | undefined {
  const { match, policy, own, before, after } = expected;
  const wanted = all.filter((event) =>
    match === "prints" ? event.kind === "print" : matches(match, event),
  );
  let last = -1;
  let seq = -1;
  for (const event of events) {
    let index = last + 1;
    while (
      index < wanted.length &&
      !isExpected(event, wanted[index] as ExpectedEvent, expected.view)
    )
      index++;
    if (index === wanted.length) {
      const next = wanted[last + 1];
      return `${JSON.stringify(event)} came after event ${last}; the next is ${JSON.stringify(next)}`;
    }
    if (event.seq <= seq) return `seq ${event.seq} came after seq ${seq}`;
    const gap = index - last - 1;
    const joined = !before && last < 0;
    if (policy === "every" && gap > 0 && !joined)
      return `${gap} events are missing before ${index}`;
    if (policy === "every" && event.dropped > 0) return `"every" dropped ${event.dropped}`;
    if (own && event.dropped !== gap) return `${gap} were left out, ${event.dropped} are told`;
    if (own && Array.isArray(policy) && policy[0] === "sample" && index % policy[1] !== 0) {
      return `sample ${policy[1]} emitted event ${index}`;
    }
    last = index;
    seq = event.seq;
  }
  const toTheEnd = policy === "every" ? before || events.length > 0 : own && policy === "latest";
  if (after && toTheEnd && last !== wanted.length - 1) {
    return `the last of ${wanted.length} events was ${last}`;
  }
  return undefined;
}

/** Holds a run's calls against the story. */
export function checkCalls(calls: readonly ObservedCall[], { events }: Story): string | undefined {
  const wanted = events.filter(({ kind }) => kind === "callback");
  for (const [index, call] of calls.entries()) {
    const expected = wanted[index];
    const same =
      expected !== undefined &&
      expected.path.join() === call.path.join() &&
      JSON.stringify(expected.values) === JSON.stringify(call.values);
    if (!same) return `call ${JSON.stringify(call)} came; expected ${JSON.stringify(expected)}`;
  }
  return undefined;
}

function isExpected(event: Observed, wanted: ExpectedEvent, view: WatchPlan["view"]): boolean {
  return (
    event.name === wanted.name &&
    event.label === wanted.label &&
    event.path.join() === wanted.path.join() &&
    event.values.length === wanted.values.length &&
    event.values.every((value, index) => isView(value, wanted.values[index] as Vector, view))
  );
}

function isView(value: Vector | Summary, whole: Vector, view: WatchPlan["view"]): boolean {
  if ("count" in value) {
    return (
      value.count === whole.length &&
      value.min === Math.min(...whole) &&
      value.max === Math.max(...whole) &&
      value.histogram.length === view[1]
    );
  }
  if (view === "full") return value.length === whole.length && same(value, whole);
  // A slice of the first axis: rows of 4 where there are two axes.
  const row = whole.length > 4 ? 4 : 1;
  const [, [start], [size]] = view as readonly ["slice", [number], [number]];
  return same(value, whole.slice(start * row, (start + size) * row));
}

const same = (a: Vector, b: Vector) => a.length === b.length && a.every((n, i) => n === b[i]);
