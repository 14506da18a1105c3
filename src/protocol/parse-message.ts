import { CLIENT_MESSAGES, type ClientMessageRow, type FieldKind } from "../contract/messages.js";
import { show } from "../show.js";
import { attachment } from "./checks.js";
import { ProtocolError } from "./error.js";
import { FIELDS } from "./fields.js";
import type { Message, SpreadKind } from "./message.js";

const SPREAD: ReadonlySet<FieldKind> = new Set<SpreadKind>([
  "hello",
  "run_options?",
  "get_options?",
]);

interface Argument {
  readonly name: string;
  readonly what: string;
  readonly parse: (typeof FIELDS)[FieldKind];
  readonly spread: boolean;
}

/** What a row asks of a message. */
interface Plan {
  readonly least: number;
  readonly most: number;
  readonly arguments: readonly Argument[];
  readonly attachment: string | undefined;
  /** The index of the argument that is spread; -1 where there is none. */
  readonly spread: number;
}

const PLANS: ReadonlyMap<string, Plan> = new Map(
  Object.entries<ClientMessageRow>(CLIENT_MESSAGES).map(([type, row]) => {
    const fields = Object.entries(row.arguments);
    const plan: Plan = {
      least: fields.filter(([, { kind }]) => !kind.endsWith("?")).length,
      most: fields.length,
      arguments: fields.map(([name, { kind }]) => ({
        name,
        what: `${type}'s ${name === "tensorType" ? "type" : name}`,
        parse: FIELDS[kind],
        spread: SPREAD.has(kind),
      })),
      attachment: row.attachment,
      spread: fields.findIndex(([, { kind }]) => SPREAD.has(kind)),
    };
    return [type, plan] as const;
  }),
);

/** The parts of the argument that is spread, or nothing. The message is made of this object: to copy it takes as long as to parse it. */
function begin(
  { arguments: fields, spread }: Plan,
  header: readonly unknown[],
  attachments: readonly Uint8Array[],
): Record<string, unknown> {
  if (spread < 0) return {};
  const { what, parse } = fields[spread] as Argument;
  return parse(header[spread + 1], what, attachments, {}) as Record<string, unknown>;
}

/**
 * Checks a decoded header against its row of the contract.
 * @throws ProtocolError `message_unknown`, `message_invalid` or `length_invalid`; the session can go on.
 */
export function parseMessage(
  header: readonly unknown[],
  attachments: readonly Uint8Array[],
): Message {
  const type = header[0] as string;
  const plan = PLANS.get(type);
  if (plan === undefined) {
    const known = [...PLANS.keys()].join(", ");
    throw new ProtocolError(
      "message_unknown",
      `there is no message ${show(type)}; expected one of ${known}`,
      known,
    );
  }
  const count = header.length - 1;
  if (count < plan.least || count > plan.most) {
    const expected = plan.least === plan.most ? `${plan.least}` : `${plan.least} to ${plan.most}`;
    throw new ProtocolError(
      "message_invalid",
      `a message "${type}" has ${count} arguments; expected ${expected}`,
      expected,
    );
  }
  const message = begin(plan, header, attachments);
  message.type = type;
  for (let index = 0; index < plan.most; index++) {
    const { name, what, parse, spread } = plan.arguments[index] as Argument;
    if (!spread) message[name] = parse(header[index + 1], what, attachments, message);
  }
  if (plan.attachment !== undefined) {
    // What takes it keeps views of these bytes, and the frame's memory is shared with other frames.
    message[plan.attachment] = attachment(0, attachments, `the ${plan.attachment}`).slice();
  }
  return message as Message;
}
