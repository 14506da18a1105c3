import fc from "fast-check";
import { KIND_NAMES, type KindName, type MatchName } from "./programs.js";

/** What a handler does with events: at once, later, or after it has computed something itself. */
export type EventPlan = "consume" | "hold" | "compute" | "unwatch" | "cancel";

/** What a handler does with a call. */
export type CallPlan =
  | "reply"
  | "twice"
  | "hold"
  | "compute"
  | "computing"
  | "ask"
  | "error"
  | "wrong"
  | "die";

/** A subscription: of a run, or standing. */
export interface WatchPlan {
  readonly match: MatchName;
  readonly policy: "every" | "latest" | readonly ["sample", number] | readonly ["rate", number];
  readonly view: "full" | readonly ["slice", [number], [number]] | readonly ["summary", number];
}

/** What happens next in a schedule, on one client. Numbers choose among what there is. */
export type Action =
  | {
      readonly do: "run";
      readonly kind: KindName;
      readonly queue: number;
      /** Elements, or one of the tensors that were made before. */
      readonly input: number | readonly [number, number, number, number];
      readonly fetch: boolean;
      readonly name: boolean;
      readonly print: boolean;
      readonly timeout: boolean;
      readonly hooks: readonly WatchPlan[];
      readonly events: EventPlan;
      readonly calls: readonly CallPlan[];
    }
  | { readonly do: "subscribe"; readonly watch: WatchPlan; readonly events: EventPlan }
  | { readonly do: "unsubscribe" | "cancel" | "get" | "free"; readonly which: number }
  | { readonly do: "put"; readonly x: readonly [number, number, number, number] }
  | { readonly do: "unload"; readonly kind: KindName }
  | { readonly do: "close_queue"; readonly queue: number }
  | { readonly do: "forge"; readonly which: number }
  | { readonly do: "release" | "wait" }
  | { readonly do: "die"; readonly how: "crash" | "end" | "garbage" };

/** One step: an action, and how far frames get before the next one. */
export interface Step {
  readonly client: number;
  readonly action: Action;
  /** Frames of this client that reach the engine, frames of the engine that reach the clients. */
  readonly push: number;
  readonly take: number;
  /** Turns of the event loop. */
  readonly turns: number;
}

/** What one case does. */
export interface Schedule {
  /** The hook credit of each client's sessions, in bytes; also says how many clients there are. */
  readonly credits: readonly number[];
  readonly steps: readonly Step[];
}

/** As `fc.record`, with objects that print well. */
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(fields, { noNullPrototype: true });

const elements = fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9), fc.nat(9));

const watch: fc.Arbitrary<WatchPlan> = record({
  match: fc.constantFrom<MatchName>("all", "all", "label", "name", "id", "probe"),
  policy: fc.constantFrom<WatchPlan["policy"]>(
    ...([
      "every",
      "every",
      "every",
      "latest",
      ["sample", 2],
      ["sample", 1],
      ["rate", 500],
    ] as const),
  ),
  view: fc.constantFrom<WatchPlan["view"]>("full", "full", ["slice", [1], [2]], ["summary", 3]),
});

const events = fc.constantFrom<EventPlan>(
  ...(["consume", "consume", "hold", "compute", "compute", "unwatch", "cancel"] as const),
);

const calls = fc.constantFrom<CallPlan>(
  ...([
    "reply",
    "reply",
    "twice",
    "hold",
    "compute",
    "computing",
    "ask",
    "error",
    "wrong",
  ] as const),
  "die",
);

const run = record({
  do: fc.constant("run" as const),
  kind: fc.constantFrom(...KIND_NAMES),
  queue: fc.nat(2),
  input: fc.oneof({ weight: 2, arbitrary: elements }, { weight: 1, arbitrary: fc.nat(9) }),
  fetch: fc.boolean(),
  name: fc.boolean(),
  print: fc.boolean(),
  timeout: fc.constantFrom(false, false, false, true),
  hooks: fc.array(watch, { maxLength: 2 }),
  events,
  calls: fc.array(calls, { minLength: 1, maxLength: 3 }),
});

const which = fc.nat(9);
const kind = fc.constantFrom(...KIND_NAMES);

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 9, arbitrary: run },
  {
    weight: 4,
    arbitrary: record({ do: fc.constant("subscribe" as const), watch, events }),
  },
  {
    weight: 7,
    arbitrary: record({
      do: fc.constantFrom("unsubscribe" as const, "cancel", "cancel", "get", "free"),
      which,
    }),
  },
  { weight: 1, arbitrary: record({ do: fc.constant("put" as const), x: elements }) },
  { weight: 1, arbitrary: record({ do: fc.constant("unload" as const), kind }) },
  {
    weight: 1,
    arbitrary: record({ do: fc.constant("close_queue" as const), queue: fc.nat(2) }),
  },
  { weight: 2, arbitrary: record({ do: fc.constant("forge" as const), which }) },
  { weight: 4, arbitrary: record({ do: fc.constantFrom("release" as const, "wait") }) },
  {
    weight: 1,
    arbitrary: record({
      do: fc.constant("die" as const),
      how: fc.constantFrom("crash" as const, "end", "garbage"),
    }),
  },
);

const EVERYTHING = 99;

const step: fc.Arbitrary<Step> = record({
  client: fc.nat(2),
  action,
  push: fc.constantFrom(EVERYTHING, EVERYTHING, EVERYTHING, 0, 1),
  take: fc.constantFrom(EVERYTHING, EVERYTHING, 0, 1, 3),
  turns: fc.constantFrom(0, 0, 1, 3),
});

/** Random schedules. */
export const schedules: fc.Arbitrary<Schedule> = record({
  credits: fc.array(fc.constantFrom(1, 80, 160, 400, 8 * 2 ** 20), { minLength: 1, maxLength: 3 }),
  steps: fc.array(step, { minLength: 3, maxLength: 24, size: "max" }),
});
