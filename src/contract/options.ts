/** What an entry of a map of options is. */
export type OptionKind = "bool" | "count" | "hooks" | "id" | "milliseconds" | "positions";

/** An entry of a map of options. Each may be left out, or be nil. */
export interface OptionRow {
  readonly kind: OptionKind;
  readonly doc: string;
}

/** The options of a run. */
export const RUN_OPTIONS = {
  fetch: {
    kind: "count",
    doc: "the largest size in bytes of outputs whose values travel with the answer; 0 by default. An answer holds values as long as they fill no more than half of a frame; the others are `nil`, as those above `fetch`.",
  },
  answer: {
    kind: "bool",
    doc: "false for a run that is not answered, also not by an error. Whoever uses its outputs gets that.",
  },
  timeout: { kind: "milliseconds", doc: "milliseconds; none by default." },
  hooks: {
    kind: "hooks",
    doc: "`[[match, policy, view]]`, subscriptions of this run alone, numbered from 0.",
  },
  print: { kind: "bool", doc: "false to silence prints." },
  donate: {
    kind: "positions",
    doc: "positions of inputs that are freed at arrival, as by `free`: where nothing else has such a tensor, a result may be computed in its memory.",
  },
  parent: {
    kind: "id",
    doc: "the request number of the run whose handler makes this request, so that it does not wait behind that run.",
  },
  replay: {
    kind: "id",
    doc: "a replay, which answers the run's callbacks in place of the client.",
  },
} as const satisfies Readonly<Record<string, OptionRow>>;

/** The options of a read. */
export const GET_OPTIONS = {
  bulk: {
    kind: "bool",
    doc: "true to get the value over the bulk socket. A tensor above half of a frame needs it.",
  },
} as const satisfies Readonly<Record<string, OptionRow>>;
