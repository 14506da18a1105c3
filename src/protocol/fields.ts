import { isAbsolute } from "node:path";
import type { FieldKind } from "../contract/messages.js";
import type { Match } from "../hooks/match.js";
import type { Policy, View } from "../hooks/policy.js";
import type { ChatMessage, Pooling } from "../models/index.js";
import type { TensorType } from "../tensor/dtype.js";
import {
  attachment,
  badMessage,
  bool,
  list,
  map,
  tensorBytes,
  tensorType,
  text,
  unsigned,
} from "./checks.js";
import { parseMatch, parsePolicy, parseView } from "./hook-messages.js";
import {
  type GenerateMessageOptions,
  type GetOptions,
  generateOptions,
  getOptions,
  type RunOptions,
  runOptions,
} from "./options.js";

/** A tensor that came with a message. */
export interface Inline {
  readonly type: TensorType;
  readonly bytes: Uint8Array;
}

/** An operand: a tensor's id, or the tensor itself. */
export type Operand = number | Inline;

/** An input of a run: an operand, or bytes of the type of the program's parameter. */
export type Input = Operand | Uint8Array;

/** What a client may ask for less of, or more. */
export interface ClientLimits {
  readonly hookCredit?: number;
}

/** What each kind of argument is once it is checked. */
export interface FieldTypes extends Record<FieldKind, unknown> {
  id: number;
  ids: readonly number[];
  count: number;
  text: string;
  "reason?": string;
  hello: { readonly protocol: number; readonly client: string; readonly limits: ClientLimits };
  "constants?": ReadonlyMap<string, number>;
  "externals?": ReadonlyMap<string, number>;
  type: TensorType;
  source: { readonly bytes: Uint8Array } | { readonly transfer: number };
  file_tensors: readonly (readonly [name: string, tensor: number])[];
  inputs: readonly Input[];
  values: readonly Operand[];
  outputs: readonly (number | null)[];
  "run_options?": RunOptions;
  runs: readonly BurstRun[];
  "parent?": number | undefined;
  "get_options?": GetOptions;
  match: Match;
  matches: readonly Match[];
  "policy?": Policy;
  "view?": View;
  "events?": number | undefined;
  "pooling?": Pooling | undefined;
  output: number | null;
  texts: readonly string[];
  "flag?": boolean;
  "folder?": string | undefined;
  prompt: Prompt;
  "generate_options?": GenerateMessageOptions;
  exported: readonly { readonly program: number; readonly keywords: readonly string[] }[];
  "sizes?": { readonly trace: number; readonly inputs: readonly TensorType[] } | undefined;
}

/** What a generation goes on after: a text, tokens, or messages. */
export type Prompt = string | readonly number[] | readonly ChatMessage[];

/** A run of a burst. */
export interface BurstRun {
  readonly request: number;
  readonly queue: number;
  readonly program: number;
  readonly inputs: readonly Input[];
  readonly outputs: readonly (number | null)[];
}

/** Checks an argument. `what` names it in errors; `before` holds the arguments before it. */
type Field<T> = (
  value: unknown,
  what: string,
  attachments: readonly Uint8Array[],
  before: Readonly<Record<string, unknown>>,
) => T;

/** What checks each kind of argument. */
export const FIELDS: { readonly [K in FieldKind]: Field<FieldTypes[K]> } = {
  id: unsigned,
  ids: (value, what) => list(value, what).map((id) => unsigned(id, `an item of ${what}`)),
  count: unsigned,
  text,
  "reason?": (value, what) => (isGiven(value) ? text(value, what) : "the request was cancelled"),
  hello,
  "constants?": constants,
  "externals?": (value, what) => tensorsByName(value, what, "external"),
  type: tensorType,
  source,
  file_tensors: (value, what) =>
    Object.entries(map(value, what)).map(
      ([name, id]) => [name, unsigned(id, `the tensor for "${name}"`)] as const,
    ),
  inputs,
  values,
  outputs: outputIds,
  "run_options?": runOptions,
  runs,
  "parent?": (value, what) => (isGiven(value) ? unsigned(value, what) : undefined),
  "get_options?": getOptions,
  match: parseMatch,
  matches: (value, what) => list(value, what).map(parseMatch),
  "policy?": parsePolicy,
  "view?": parseView,
  "events?": (value, what) => (isGiven(value) ? Math.max(1, unsigned(value, what)) : undefined),
  "pooling?": pooling,
  output: (value, what) => (value === null ? null : unsigned(value, what)),
  texts,
  "flag?": (value, what) => isGiven(value) && bool(value, what),
  "folder?": (value, what) => {
    if (!isGiven(value)) return undefined;
    const path = text(value, what);
    if (isAbsolute(path)) return path;
    throw badMessage(what, value, "an absolute path");
  },
  prompt,
  "generate_options?": generateOptions,
  exported: (value, what) =>
    list(value, what).map((item) => {
      const [program, keywords] = pair(item, `an item of ${what}`, "[program, [name]]");
      return {
        program: unsigned(program, `a program of ${what}`),
        keywords: list(keywords, `the keywords of ${what}`).map((name) =>
          text(name, `a keyword of ${what}`),
        ),
      };
    }),
  "sizes?": (value, what) => {
    if (!isGiven(value)) return undefined;
    const [trace, inputs] = pair(value, what, "[trace, [type]]");
    return {
      trace: unsigned(trace, `the trace of ${what}`),
      inputs: list(inputs, `the inputs of ${what}`).map((type) =>
        tensorType(type, `an input of ${what}`),
      ),
    };
  },
};

function pair(value: unknown, what: string, expected: string): readonly unknown[] {
  if (Array.isArray(value) && value.length === 2) return value;
  throw badMessage(what, value, expected);
}

function hello(value: unknown): FieldTypes["hello"] {
  const given = map(value, "hello's argument");
  const protocol = unsigned(given.protocol, "hello's protocol");
  const client = given.client === undefined ? "" : text(given.client, "hello's client");
  const { hook_credit: credit } = map(given.limits, "hello's limits");
  const limits =
    credit === undefined ? {} : { hookCredit: unsigned(credit, "hello's hook_credit") };
  return { protocol, client, limits };
}

function constants(value: unknown, what: string): Map<string, number> {
  const given = tensorsByName(value, what, "constant");
  for (const hash of given.keys()) {
    if (!/^[0-9a-f]{64}$/.test(hash)) {
      throw badMessage("a constant's name", hash, "a SHA-256 in 64 lower-case hex digits");
    }
  }
  return given;
}

function tensorsByName(
  value: unknown,
  what: string,
  kind: "constant" | "external",
): Map<string, number> {
  const entries = Object.entries(map(value, what));
  return new Map(
    entries.map(([name, id]) => [name, unsigned(id, `the tensor of ${kind} ${name}`)]),
  );
}

function source(
  value: unknown,
  _what: string,
  attachments: readonly Uint8Array[],
  before: Readonly<Record<string, unknown>>,
): FieldTypes["source"] {
  return Array.isArray(value) && value.length === 2 && value[0] === "transfer"
    ? { transfer: unsigned(value[1], "put's transfer") }
    : {
        bytes: tensorBytes(value, before.tensorType as TensorType, attachments, "put's attachment"),
      };
}

function inputs(
  value: unknown,
  what: string,
  attachments: readonly Uint8Array[],
): readonly Input[] {
  const items = list(value, what);
  const result = new Array<Input>(items.length);
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    result[index] =
      isInline(item) && item[1] === null
        ? attachment(item[2], attachments, what)
        : operand(item, index, what, attachments);
  }
  return result;
}

function values(
  value: unknown,
  what: string,
  attachments: readonly Uint8Array[],
): readonly Operand[] {
  return list(value, what).map((item, index) => operand(item, index, what, attachments));
}

function operand(
  item: unknown,
  index: number,
  what: string,
  attachments: readonly Uint8Array[],
): Operand {
  if (typeof item === "number") return unsigned(item, `an item of ${what}`);
  if (!isInline(item)) {
    const expected = 'a tensor id or ["inline", type, attachment]';
    throw badMessage(`item ${index} of ${what}`, item, expected);
  }
  const type = tensorType(item[1], what);
  return { type, bytes: tensorBytes(item[2], type, attachments, what) };
}

function isInline(item: unknown): item is readonly ["inline", unknown, unknown] {
  return Array.isArray(item) && item.length === 3 && item[0] === "inline";
}

const POOLING = ["mode", "normalize", "dimension"];

/** The values in it are checked by the model, which knows its dimension. */
function pooling(value: unknown, what: string): Pooling | undefined {
  if (!isGiven(value)) return undefined;
  const given = map(value, what);
  const unknown = Object.keys(given).find((key) => !POOLING.includes(key));
  if (unknown !== undefined) {
    throw badMessage(`a part of ${what}`, unknown, `one of ${POOLING.join(", ")}`);
  }
  return given as unknown as Pooling;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function texts(value: unknown, what: string, attachments: readonly Uint8Array[]): string[] {
  const count = unsigned(value, what);
  if (count > attachments.length) {
    throw badMessage(what, count, `at most the ${attachments.length} attachments of the frame`);
  }
  return attachments.slice(0, count).map((bytes, index) => {
    try {
      return UTF8.decode(bytes);
    } catch {
      throw badMessage(`text ${index} of ${what}`, bytes, "UTF-8");
    }
  });
}

function prompt(value: unknown, what: string): Prompt {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) {
    throw badMessage(what, value, "a text, a list of tokens, or a list of [role, content]");
  }
  if (!Array.isArray(value[0])) {
    return value.map((token) => unsigned(token, `a token of ${what}`));
  }
  return value.map((message) => {
    const [role, content, ...rest] = list(message, `a message of ${what}`);
    if (typeof role !== "string" || typeof content !== "string" || rest.length > 0) {
      throw badMessage(`a message of ${what}`, message, "[role, content]");
    }
    return { role, content };
  });
}

function outputIds(value: unknown, what: string): readonly (number | null)[] {
  return list(value, what).map((id) => (id === null ? null : unsigned(id, `an item of ${what}`)));
}

/** The most runs of a burst: they are taken in one turn of the event loop. */
const MAX_BURST = 1024;

function runs(
  value: unknown,
  what: string,
  attachments: readonly Uint8Array[],
): readonly BurstRun[] {
  const items = list(value, what);
  if (items.length > MAX_BURST) {
    throw badMessage(`the length of ${what}`, items.length, `at most ${MAX_BURST}`);
  }
  return items.map((item, index) => {
    const place = `item ${index} of ${what}`;
    const parts = list(item, place);
    if (parts.length !== 5) {
      throw badMessage(place, item, "[request, queue, program, inputs, outputs]");
    }
    return {
      request: unsigned(parts[0], place),
      queue: unsigned(parts[1], place),
      program: unsigned(parts[2], place),
      inputs: inputs(parts[3], place, attachments),
      outputs: outputIds(parts[4], place),
    };
  });
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
