import type { FieldKind } from "../contract/messages.js";
import type { Match } from "../hooks/match.js";
import type { Policy, View } from "../hooks/policy.js";
import type { Pooling } from "../models/index.js";
import type { TensorType } from "../tensor/dtype.js";
import { badMessage, bool, list, map, tensorBytes, tensorType, text, unsigned } from "./checks.js";
import { parseMatch, parsePolicy, parseView } from "./hook-messages.js";
import { type GetOptions, getOptions, type RunOptions, runOptions } from "./options.js";

/** A tensor that came with a message. */
export interface Inline {
  readonly type: TensorType;
  readonly bytes: Uint8Array;
}

/** An operand: a tensor's id, or the tensor itself. */
export type Operand = number | Inline;

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
  operands: readonly Operand[];
  outputs: readonly (number | null)[];
  "run_options?": RunOptions;
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
  operands,
  outputs: outputIds,
  "run_options?": runOptions,
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
};

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

function operands(
  value: unknown,
  what: string,
  attachments: readonly Uint8Array[],
): readonly Operand[] {
  const items = list(value, what);
  const result = new Array<Operand>(items.length);
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (typeof item === "number") {
      result[index] = unsigned(item, `an item of ${what}`);
    } else if (Array.isArray(item) && item.length === 3 && item[0] === "inline") {
      const type = tensorType(item[1], what);
      result[index] = { type, bytes: tensorBytes(item[2], type, attachments, what) };
    } else {
      throw badMessage(
        `item ${index} of ${what}`,
        item,
        'a tensor id or ["inline", type, attachment]',
      );
    }
  }
  return result;
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

function outputIds(value: unknown, what: string): readonly (number | null)[] {
  return list(value, what).map((id) => (id === null ? null : unsigned(id, `an item of ${what}`)));
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
