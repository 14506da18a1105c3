import type { SiteFields } from "./hooks.js";

/** A message of the engine. */
export interface EngineMessageRow {
  /** In order. A list stands for a map with these fields: `name`, `name?` where it may be absent, `name: what it holds`. */
  readonly arguments: readonly (string | readonly string[])[];
  /** Which request number it carries. */
  readonly request:
    | "of the request"
    | "of the subscription"
    | "of the run"
    | "of the run or subscription"
    | "0";
  readonly doc: string;
}

/** The messages of the engine, by their types. */
export const ENGINE_MESSAGES = {
  ok: { arguments: ["result"], request: "of the request", doc: "The request is done." },
  error: {
    arguments: [
      ["code", "message", "op?", "label?", "site?", "inputs?: [type or nil]", "expected?", "run?"],
    ],
    request: "of the request",
    doc: "The request failed. `code` is stable; `inputs` has the first 64 operands at most; `run` is the request number of the run whose failure it is.",
  },
  sites: {
    arguments: [["functions", "types", "sites: [site]"]],
    request: "of the subscription",
    doc: "Declares sites before their first event is sent there. Beside a site's own fields: `index`, the number in this stream; `program`: its id, absent where another session loaded it.",
  },
  events: {
    arguments: ["[event]", "cost"],
    request: "of the run or subscription",
    doc: "A batch of events, and the hook credit that they hold together until they are consumed.",
  },
  callback: {
    arguments: ["callback", "site", "seq", "path"],
    request: "of the run",
    doc: "A `callback` node waits for a reply; `site` is its number. The attachments are the values of its operands, in order; the site's `operands` and `types` say what they are and what is to be returned.",
  },
  ready: {
    arguments: [["protocol", "engine"]],
    request: "0",
    doc: "The first frame of a session: the engine listens.",
  },
  log: {
    arguments: ["level", "text"],
    request: "0",
    doc: "A line for people. `level`: `debug`, `info`, `warning`, `error`.",
  },
  bye: { arguments: ["code", "message"], request: "0", doc: "The session ends." },
} as const satisfies Readonly<Record<string, EngineMessageRow>>;

/** The type of a message of the engine. */
export type EngineMessageName = keyof typeof ENGINE_MESSAGES;

/** A tensor's type as it travels. */
export type WireType = readonly [dtype: string, shape: readonly number[]];

/** A site as it travels. Its function and types are indexes into the lists beside it. */
export interface WireSite extends SiteFields {
  readonly function: number;
  readonly types: readonly number[];
  readonly operands?: readonly number[] | undefined;
  /** In a stream of events: the number by which its events name it. */
  readonly index?: number;
  /** In a stream of events: the id of its program, where this session loaded it. */
  readonly program?: number | undefined;
}

/** An event as it travels. */
export type WireEvent = readonly [
  site: number,
  subscription: number,
  run: number,
  seq: number,
  path: readonly number[],
  dropped: number,
  values: readonly unknown[],
];

/** What the arguments of engine messages are, by their names. */
interface ArgumentTypes {
  readonly result: unknown;
  readonly code: string;
  readonly message: string;
  readonly op: string | undefined;
  readonly label: string | undefined;
  readonly site: number;
  readonly inputs: readonly (WireType | null)[] | undefined;
  readonly expected: string | undefined;
  readonly run: number | undefined;
  readonly functions: readonly string[];
  readonly types: readonly WireType[];
  readonly sites: readonly WireSite[];
  readonly "[event]": readonly WireEvent[];
  readonly cost: number;
  readonly callback: number;
  readonly seq: number;
  readonly path: readonly number[];
  readonly protocol: number;
  readonly engine: string;
  readonly level: "debug" | "info" | "warning" | "error";
  readonly text: string;
}

/** `name` and `name?` of the text of a field. */
type FieldName<F> = F extends `${infer N}: ${string}` ? N : F;

type Named<N> = N extends keyof ArgumentTypes ? ArgumentTypes[N] : never;

type EngineArgument<A> = A extends readonly string[]
  ? {
      readonly [F in FieldName<A[number]> as F extends `${string}?` ? never : F & string]: Named<F>;
    } & {
      readonly [F in FieldName<A[number]> as F extends `${infer N}?` ? N : never]?:
        | (F extends `${infer N}?` ? Named<N> : never)
        | undefined;
    }
  : Named<A>;

type ArgumentsOf<Row extends readonly unknown[]> = {
  readonly [I in keyof Row]: EngineArgument<Row[I]>;
};

/** The arguments of a message of the engine: as many as its row has, and maps with its fields alone. */
export type EngineArguments<T extends EngineMessageName> = ArgumentsOf<
  (typeof ENGINE_MESSAGES)[T]["arguments"]
>;

/** A message to a client, as its row has it. */
export type MessageToClient = {
  [T in EngineMessageName]: readonly [T, ...EngineArguments<T>];
}[EngineMessageName];
