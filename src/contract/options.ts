/** What an entry of a map of options is. */
export type OptionKind =
  | "bool"
  | "count"
  | "hooks"
  | "id"
  | "milliseconds"
  | "number"
  | "positions"
  | "strings";

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

/** The options of a generation. */
export const GENERATE_OPTIONS = {
  max_tokens: {
    kind: "count",
    doc: "the most tokens that are generated; by default as many as fit into the model's context.",
  },
  temperature: {
    kind: "number",
    doc: "what scores are divided by; 0, the default, always takes the likeliest token.",
  },
  top_k: { kind: "count", doc: "chooses among so many of the likeliest; all by default." },
  top_p: {
    kind: "number",
    doc: "chooses among the fewest of the likeliest that have this probability together; 1 by default.",
  },
  repetition_penalty: {
    kind: "number",
    doc: "what the scores of tokens that were there already are divided by; 1 by default.",
  },
  seed: {
    kind: "count",
    doc: "the same one chooses the same tokens; by default another one each time.",
  },
  stop: { kind: "strings", doc: "texts that end the generation; none by default." },
  snapshot: {
    kind: "id",
    doc: "a snapshot: the first tokens of the prompt that are computed already.",
  },
} as const satisfies Readonly<Record<string, OptionRow>>;
