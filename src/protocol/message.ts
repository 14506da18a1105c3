import type { Match } from "../hooks/match.js";
import type { Policy, View } from "../hooks/policy.js";
import type { SubscriptionSpec } from "../hooks/subscription.js";
import type { TensorType } from "../tensor/dtype.js";

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

export type Hello = {
  type: "hello";
  protocol: number;
  client: string;
  limits: ClientLimits;
};
export type Load = {
  type: "load";
  program: number;
  /** Tensors by the SHA-256 of their bytes, in hex. */
  constants: ReadonlyMap<string, number>;
  /** Tensors by the names of externals. */
  externals: ReadonlyMap<string, number>;
  graph: Uint8Array;
};
export type Put = {
  type: "put";
  tensor: number;
  tensorType: TensorType;
  source: { readonly bytes: Uint8Array } | { readonly transfer: number };
};
export type OpenFile = {
  type: "open_file";
  path: string;
  tensors: readonly (readonly [name: string, tensor: number])[];
};
export type RunMessage = {
  type: "run";
  queue: number;
  program: number;
  inputs: readonly Operand[];
  outputs: readonly (number | null)[];
  /** Outputs up to this many bytes travel with the answer; 0 for none. */
  fetch: number;
  /** Whether it is answered; where not, what its outputs become tells how it went. */
  answer: boolean;
  /** Milliseconds. */
  timeout: number | undefined;
  hooks: readonly SubscriptionSpec[];
  print: boolean;
  parent: number | undefined;
  /** Its callbacks are answered by this replay. */
  replay: number | undefined;
};
export type Get = { type: "get"; tensor: number; bulk: boolean };
export type StartRecording = {
  type: "record";
  recording: number;
  path: string;
  match: readonly Match[];
};
export type OpenReplay = { type: "replay"; replay: number; path: string };
export type Subscribe = {
  type: "subscribe";
  match: Match;
  policy: Policy;
  view: View;
  /** How many events may be in flight, where that is bounded. */
  events?: number;
};
export type Reply = { type: "reply"; run: number; callback: number; values: readonly Operand[] };
export type ReplyError = {
  type: "reply_error";
  run: number;
  callback: number;
  code: string;
  message: string;
};

/** Every message of a client, checked. */
export type Message =
  | Hello
  | Load
  | { type: "unload"; program: number }
  | Put
  | OpenFile
  | RunMessage
  | Get
  | { type: "free"; tensors: readonly number[] }
  | { type: "cancel"; request: number; reason: string }
  | { type: "close_queue"; queue: number }
  | StartRecording
  | { type: "stop_recording"; recording: number }
  | OpenReplay
  | { type: "stop_replay"; replay: number }
  | Subscribe
  | { type: "unsubscribe"; subscription: number }
  | { type: "consumed"; bytes: number }
  | Reply
  | ReplyError
  | { type: "info" };
