import type { CLIENT_MESSAGES, FieldRow } from "../contract/messages.js";
import type { FieldTypes } from "./fields.js";

/** The kinds whose parts become parts of the message. */
export type SpreadKind = "hello" | "run_options?" | "get_options?";

type Arguments<A extends Readonly<Record<string, FieldRow>>> = {
  [K in keyof A as A[K]["kind"] extends SpreadKind ? never : K]: FieldTypes[A[K]["kind"]];
};

/** The parts of the only argument that is spread, if there is one. */
type Spread<A> = A extends { readonly hello: unknown }
  ? FieldTypes["hello"]
  : A extends { readonly options: { readonly kind: infer K extends SpreadKind } }
    ? FieldTypes[K]
    : unknown;

/** What a message has beside its arguments. */
type Attachment<R> = R extends { readonly attachment: infer Name extends string }
  ? { [K in Name]: Uint8Array }
  : unknown;

/** The type of a client's message. */
export type MessageName = keyof typeof CLIENT_MESSAGES;

type Rows = typeof CLIENT_MESSAGES;

/** A message of a client, checked. */
export type MessageOf<Name extends MessageName> = { type: Name } & Arguments<
  Rows[Name]["arguments"]
> &
  Spread<Rows[Name]["arguments"]> &
  Attachment<Rows[Name]>;

/** Every message of a client, checked. */
export type Message = { [Name in MessageName]: MessageOf<Name> }[MessageName];

export type { BurstRun, ClientLimits, Inline, Input, Operand } from "./fields.js";
