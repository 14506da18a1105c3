/** A limit: its default, the unit that it is counted in, and what it counts. */
export interface LimitRow {
  readonly default: number;
  readonly unit: "bytes" | "items";
  readonly doc: string;
}

/** What a session may hold and send. */
export interface SessionLimitRow extends LimitRow {
  /** Its name in the answer to `hello`. */
  readonly wire: string;
}

const MiB = 2 ** 20;

/** The limits of a session, by their names in Node. All are told to the client in the answer to `hello`. */
export const SESSION_LIMITS = {
  maxFrameBytes: {
    wire: "max_frame_bytes",
    default: 64 * MiB,
    unit: "bytes",
    doc: "The longest frame, in both directions. A longer one ends the session with `frame_too_large`. An answer that does not fit is the error `value_too_large` of its request.",
  },
  maxHeaderBytes: {
    wire: "max_header_bytes",
    default: MiB,
    unit: "bytes",
    doc: "The longest header. A longer one ends the session with `frame_invalid`.",
  },
  requests: {
    wire: "requests",
    default: 65_536,
    unit: "items",
    doc: "Requests without an answer, and transfers that are not over. One more ends the session with `request_limit_exceeded`.",
  },
  unreadBytes: {
    wire: "unread_bytes",
    default: 256 * MiB,
    unit: "bytes",
    doc: "What the engine has written and the client not read when it asks for more. More ends the session with `reader_too_slow`. Values are read from tensors only while less than 8 MiB are unread.",
  },
  heldBytes: {
    wire: "held_bytes",
    default: 256 * MiB,
    unit: "bytes",
    doc: "Messages that wait for a program to be loaded. More end the session with `request_limit_exceeded`.",
  },
  hookCredit: {
    wire: "hook_credit",
    default: 8 * MiB,
    unit: "bytes",
    doc: "Hook events in flight to one subscription, or to one run: see *Hooks*.",
  },
  tensors: {
    wire: "tensors",
    default: 4_194_304,
    unit: "items",
    doc: "Tensors of the session: error `tensor_limit_exceeded`.",
  },
  tensorBytes: {
    wire: "tensor_bytes",
    default: Number.MAX_SAFE_INTEGER,
    unit: "bytes",
    doc: "What the tensors of the session have by their types: error `tensor_limit_exceeded`. `--session-memory` of `davit serve` and `davit port`; the engine's `memory` is for all sessions together.",
  },
  programs: {
    wire: "programs",
    default: 65_536,
    unit: "items",
    doc: "Programs of the session: error `program_limit_exceeded`.",
  },
  queues: {
    wire: "queues",
    default: 65_536,
    unit: "items",
    doc: "Queues with runs that are not over: error `queue_limit_exceeded`. As many as `requests`, so that each run may have its own.",
  },
  subscriptions: {
    wire: "subscriptions",
    default: 4096,
    unit: "items",
    doc: "Subscriptions, recordings, replays, models, hooks of one run, matches of one recording: error `subscription_limit_exceeded`.",
  },
} as const satisfies Readonly<Record<string, SessionLimitRow>>;

/** How large a graph from outside may be. In Node they are the option `graphLimits` of `Engine.create`. */
export const GRAPH_LIMITS = {
  functions: { default: 10_000, unit: "items", doc: "Functions." },
  nodes: {
    default: 100_000,
    unit: "items",
    doc: "Nodes of all functions. Lanes have the stack for more than twice as many.",
  },
  values: {
    default: 1_000_000,
    unit: "items",
    doc: "Values of all functions: parameters, and what nodes make.",
  },
  items: {
    default: 2_000_000,
    unit: "items",
    doc: "Items of all lists: parameters, nodes, operands, results, attributes.",
  },
  list: { default: 65_536, unit: "items", doc: "Items of one list." },
  expandedNodes: {
    default: 1_000_000,
    unit: "items",
    doc: "Nodes when every use of a function counts anew, as calls do once inlined.",
  },
  expandedValues: {
    default: 8_000_000,
    unit: "items",
    doc: "Operands and outputs when every use of a function counts anew.",
  },
  constantBytes: {
    default: 64 * MiB,
    unit: "bytes",
    doc: "Bytes of all inline constants. Larger ones are given by hash.",
  },
  rank: { default: 32, unit: "items", doc: "Dimensions of a tensor." },
  textBytes: {
    default: 4096,
    unit: "bytes",
    doc: "UTF-8 bytes of a name, a label or a string attribute.",
  },
  valueBytes: {
    default: 2 ** 40,
    unit: "bytes",
    doc: "Bytes of one value: error `value_too_large`. The engine's memory limit comes on top.",
  },
} as const satisfies Readonly<Record<string, LimitRow>>;

/** The limits of a table, as numbers. */
export type LimitsOf<T> = { readonly [K in keyof T]: number };

/** The defaults of a table of limits. */
export function defaultLimits<T extends Readonly<Record<string, LimitRow>>>(table: T): LimitsOf<T> {
  const entries = Object.entries(table).map(([name, row]) => [name, row.default]);
  return Object.fromEntries(entries) as LimitsOf<T>;
}
