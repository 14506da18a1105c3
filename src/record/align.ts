import { titleOf } from "./format.js";
import type { RecordedEvent } from "./reader.js";

/** Identifies an event by what is the same in another recording of the same or a like program. */
export interface Where {
  /** The run's number among those of the recording, from 0. */
  readonly run: number;
  /** The label, else the name, of the node. */
  readonly title: string;
  /** Nodes of the program before it that have the same title. */
  readonly ordinal: number;
  /** Iterations of the loops around it, outermost first. */
  readonly path: readonly number[];
  /** Events of this node in this run and iteration before it: a function may be called more than once. */
  readonly repeat: number;
}

/** An event and what identifies it. */
export interface Placed {
  readonly where: Where;
  readonly event: RecordedEvent;
}

/** An event as two recordings have it: both, or only one of them. */
export type Pair =
  | { readonly a: Placed; readonly b: Placed }
  | { readonly a: Placed; readonly b?: undefined }
  | { readonly a?: undefined; readonly b: Placed };

/** The events of each run, runs in the order in which they were started. */
export function runsOf(events: readonly RecordedEvent[]): RecordedEvent[][] {
  const runs = new Map<number, RecordedEvent[]>();
  for (const event of events) {
    const known = runs.get(event.run);
    if (known === undefined) runs.set(event.run, [event]);
    else known.push(event);
  }
  return [...runs].sort(([a], [b]) => a - b).map(([, list]) => list);
}

/** Pairs the events of two runs, in the order in which they fired. */
export function* align(
  run: number,
  a: readonly RecordedEvent[],
  b: readonly RecordedEvent[],
): Generator<Pair> {
  const [ours, theirs] = [place(run, a), place(run, b)];
  const waiting = theirs.entries();
  /** The events of b alone that come before its next event that a has too. */
  const alone = function* (): Generator<Pair> {
    for (const [key, placed] of waiting) {
      if (ours.has(key)) return;
      yield { b: placed };
    }
  };
  yield* alone();
  for (const [key, placed] of ours) {
    const other = theirs.get(key);
    if (other === undefined) yield { a: placed };
    else {
      yield { a: placed, b: other };
      yield* alone();
    }
  }
}

/** Identifies events: a key for each, in the order in which they fired. */
function place(run: number, events: readonly RecordedEvent[]): Map<string, Placed> {
  const placed = new Map<string, Placed>();
  const repeats = new Map<string, number>();
  for (const event of events) {
    const { ordinal } = event.place;
    const title = titleOf(event.place);
    const key = JSON.stringify([title, ordinal, event.path]);
    const repeat = repeats.get(key) ?? 0;
    repeats.set(key, repeat + 1);
    const where = { run, title, ordinal, path: event.path, repeat };
    placed.set(`${key} ${repeat}`, { where, event });
  }
  return placed;
}
