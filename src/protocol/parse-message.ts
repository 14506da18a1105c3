import type { SubscriptionSpec } from "../hooks/subscription.js";
import {
  attachment,
  badMessage,
  list,
  map,
  options,
  positive,
  tensorBytes,
  tensorType,
  text,
  unsigned,
} from "./checks.js";
import { describe, ProtocolError } from "./error.js";
import { parseHook, parseMatch } from "./hook-messages.js";
import type {
  Get,
  Hello,
  Load,
  Message,
  OpenFile,
  OpenReplay,
  Operand,
  Put,
  Reply,
  ReplyError,
  RunMessage,
  StartRecording,
  Subscribe,
} from "./message.js";

type Parser = (args: readonly unknown[], attachments: readonly Uint8Array[]) => Message;

/** A message's arguments: how many at least and at most, and what makes them a message. */
const PARSERS: ReadonlyMap<string, readonly [least: number, most: number, parse: Parser]> = new Map<
  string,
  [number, number, Parser]
>([
  ["hello", [1, 1, hello]],
  ["load", [1, 3, load]],
  ["unload", [1, 1, ([id]) => ({ type: "unload", program: unsigned(id, "unload's program") })]],
  ["put", [3, 3, put]],
  ["open_file", [2, 2, openFile]],
  ["run", [4, 5, run]],
  ["get", [1, 2, get]],
  ["free", [1, 1, ([ids]) => ({ type: "free", tensors: idList(ids, "free's tensors") })]],
  ["cancel", [1, 2, cancel]],
  ["close_queue", [1, 1, ([id]) => ({ type: "close_queue", queue: unsigned(id, "the queue") })]],
  ["record", [3, 3, startRecording]],
  [
    "stop_recording",
    [1, 1, ([id]) => ({ type: "stop_recording", recording: unsigned(id, "the recording") })],
  ],
  ["replay", [2, 2, openReplay]],
  ["stop_replay", [1, 1, ([id]) => ({ type: "stop_replay", replay: unsigned(id, "the replay") })]],
  ["subscribe", [1, 4, subscribe]],
  [
    "unsubscribe",
    [1, 1, ([id]) => ({ type: "unsubscribe", subscription: unsigned(id, "the subscription") })],
  ],
  ["consumed", [1, 1, ([bytes]) => ({ type: "consumed", bytes: unsigned(bytes, "consumed") })]],
  ["reply", [3, 3, reply]],
  ["reply_error", [4, 4, replyError]],
  ["info", [0, 0, () => ({ type: "info" })]],
]);

/**
 * Checks a decoded header against its type.
 * @throws ProtocolError `message_unknown`, `message_invalid` or `length_invalid`; the session can go on.
 */
export function parseMessage(
  header: readonly unknown[],
  attachments: readonly Uint8Array[],
): Message {
  const type = header[0] as string;
  const entry = PARSERS.get(type);
  if (entry === undefined) {
    const known = [...PARSERS.keys()].join(", ");
    throw new ProtocolError(
      "message_unknown",
      `there is no message ${describe(type)}; expected one of ${known}`,
      known,
    );
  }
  const [least, most, parse] = entry;
  const count = header.length - 1;
  if (count < least || count > most) {
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    throw new ProtocolError(
      "message_invalid",
      `a message "${type}" has ${count} arguments; expected ${expected}`,
      expected,
    );
  }
  return parse(header.slice(1), attachments);
}

function hello([value]: readonly unknown[]): Hello {
  const given = map(value, "hello's argument");
  const protocol = unsigned(given.protocol, "hello's protocol");
  const client = given.client === undefined ? "" : text(given.client, "hello's client");
  const limits = map(given.limits, "hello's limits");
  return {
    type: "hello",
    protocol,
    client,
    limits:
      limits.hook_credit === undefined
        ? {}
        : { hookCredit: unsigned(limits.hook_credit, "hello's hook_credit") },
  };
}

function load([id, hashes, names]: readonly unknown[], attachments: readonly Uint8Array[]): Load {
  const constants = tensorsByName(hashes, "constant");
  for (const hash of constants.keys()) {
    if (!/^[0-9a-f]{64}$/.test(hash)) {
      throw badMessage("a constant's name", hash, "a SHA-256 in 64 lower-case hex digits");
    }
  }
  const externals = tensorsByName(names, "external");
  const program = unsigned(id, "load's program");
  const graph = attachment(0, attachments, "the graph");
  // The program keeps views of these bytes, and the frame's memory is shared with other frames.
  return { type: "load", program, constants, externals, graph: graph.slice() };
}

function tensorsByName(value: unknown, kind: "constant" | "external"): Map<string, number> {
  const entries = Object.entries(map(value, `load's ${kind}s`));
  return new Map(
    entries.map(([name, id]) => [name, unsigned(id, `the tensor of ${kind} ${name}`)]),
  );
}

function put([id, type, from]: readonly unknown[], attachments: readonly Uint8Array[]): Put {
  const parsed = tensorType(type, "put's type");
  const source =
    Array.isArray(from) && from.length === 2 && from[0] === "transfer"
      ? { transfer: unsigned(from[1], "put's transfer") }
      : { bytes: tensorBytes(from, parsed, attachments, "put's attachment") };
  return { type: "put", tensor: unsigned(id, "put's tensor"), tensorType: parsed, source };
}

function openFile([path, tensors]: readonly unknown[]): OpenFile {
  const entries = Object.entries(map(tensors, "open_file's tensors"));
  return {
    type: "open_file",
    path: text(path, "open_file's path"),
    tensors: entries.map(([name, id]) => [name, unsigned(id, `the tensor for "${name}"`)] as const),
  };
}

const RUN_OPTIONS = ["fetch", "answer", "timeout", "hooks", "print", "parent", "replay"];
const NO_HOOKS: readonly SubscriptionSpec[] = [];
/** The longest delay that Node's timers take. */
const MAX_TIMEOUT = 2 ** 31 - 1;

function run(
  [queue, program, inputs, outputs, given]: readonly unknown[],
  attachments: readonly Uint8Array[],
): RunMessage {
  const message: RunMessage = {
    type: "run",
    queue: unsigned(queue, "run's queue"),
    program: unsigned(program, "run's program"),
    inputs: operands(inputs, attachments, "run's inputs"),
    outputs: outputIds(outputs),
    fetch: 0,
    answer: true,
    timeout: undefined,
    hooks: NO_HOOKS,
    print: true,
    parent: undefined,
    replay: undefined,
  };
  if (given === null || given === undefined) return message;
  const { fetch, answer, timeout, hooks, print, parent, replay } = options(
    given,
    "run",
    RUN_OPTIONS,
  );
  if (isGiven(fetch)) message.fetch = unsigned(fetch, "run's fetch");
  if (isGiven(timeout)) message.timeout = positive(timeout, "run's timeout", MAX_TIMEOUT);
  if (isGiven(hooks)) message.hooks = list(hooks, "run's hooks").map(parseHook);
  if (isGiven(answer)) message.answer = bool(answer, "run's answer");
  if (isGiven(print)) message.print = bool(print, "run's print");
  if (isGiven(parent)) message.parent = unsigned(parent, "run's parent");
  if (isGiven(replay)) message.replay = unsigned(replay, "run's replay");
  return message;
}

function get([id, given]: readonly unknown[]): Get {
  const { bulk } = options(given, "get", ["bulk"]);
  const wanted = isGiven(bulk) && bool(bulk, "get's bulk");
  return { type: "get", tensor: unsigned(id, "get's tensor"), bulk: wanted };
}

function bool(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw badMessage(what, value, "true or false");
  return value;
}

function cancel([id, reason]: readonly unknown[]): Message {
  return {
    type: "cancel",
    request: unsigned(id, "cancel's request"),
    reason: isGiven(reason) ? text(reason, "cancel's reason") : "the request was cancelled",
  };
}

function startRecording([id, path, matches]: readonly unknown[]): StartRecording {
  return {
    type: "record",
    recording: unsigned(id, "record's recording"),
    path: text(path, "record's path"),
    match: list(matches, "record's matches").map(parseMatch),
  };
}

function openReplay([id, path]: readonly unknown[]): OpenReplay {
  return {
    type: "replay",
    replay: unsigned(id, "replay's replay"),
    path: text(path, "replay's path"),
  };
}

function subscribe([match, policy, view, events]: readonly unknown[]): Subscribe {
  const message: Subscribe = { type: "subscribe", ...parseHook([match, policy, view]) };
  if (isGiven(events)) message.events = Math.max(1, unsigned(events, "subscribe's events"));
  return message;
}

function reply(
  [id, callback, values]: readonly unknown[],
  attachments: readonly Uint8Array[],
): Reply {
  return {
    type: "reply",
    run: unsigned(id, "reply's request"),
    callback: unsigned(callback, "reply's callback"),
    values: operands(values, attachments, "reply's values"),
  };
}

function replyError([id, callback, code, message]: readonly unknown[]): ReplyError {
  return {
    type: "reply_error",
    run: unsigned(id, "reply_error's request"),
    callback: unsigned(callback, "reply_error's callback"),
    code: text(code, "reply_error's code"),
    message: text(message, "reply_error's message"),
  };
}

function operands(
  value: unknown,
  attachments: readonly Uint8Array[],
  what: string,
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

function outputIds(value: unknown): readonly (number | null)[] {
  return list(value, "run's outputs").map((id) =>
    id === null ? null : unsigned(id, "an item of run's outputs"),
  );
}

function idList(value: unknown, what: string): readonly number[] {
  return list(value, what).map((id) => unsigned(id, `an item of ${what}`));
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
