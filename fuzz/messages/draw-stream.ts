import { FrameEncoder } from "../../src/protocol/frame.js";
import { encodeHeader } from "../../src/protocol/header.js";
import { mutateBytes } from "../bytes/mutate-bytes.js";
import { mutateValue } from "../bytes/mutate-value.js";
import type { Random } from "../random.js";
import { drawConversation, type Sent } from "./conversation.js";

/** What comes from a client: frames with their lengths, cut anywhere; and at times bytes on the bulk socket. */
export interface Stream {
  readonly chunks: readonly Uint8Array[];
  /** What follows the session's token on the bulk socket. */
  readonly bulk?: Uint8Array;
}

/** Draws what a client sends that makes mistakes: in what it says, in a frame, or between frames. */
export function drawStream(random: Random): Stream {
  const sent = drawConversation(random);
  const level = random.below(8);
  const frames = sent.map((one, index) => {
    // A broken greeting ends the session at once, and nothing is learnt.
    const wrong = random.chance(index < 5 ? 0.05 : 0.5);
    const payload = encodeFrame(wrong && level !== 1 ? wrongMessage(random, one) : one);
    return withLength(wrong && level === 1 ? mutateBytes(random, payload) : payload);
  });
  const bytes = Uint8Array.from(Buffer.concat(frames));
  const stream = level === 0 ? mutateEnd(random, bytes) : bytes;
  const chunks = random.chance(0.5) ? [stream] : cut(random, stream);
  return random.chance(0.1) ? { chunks, bulk: drawBulk(random) } : { chunks };
}

function wrongMessage(random: Random, { request, message, attachments }: Sent): Sent {
  // Mostly its type is one that is known, so that its arguments are looked at.
  const [type, ...args] = message;
  const told = random.chance(0.95)
    ? [type, ...mutateList(random, args)]
    : mutateValue(random, message);
  return {
    request: random.chance(0.05) ? random.pick([0, 1, 2 ** 53 - 1]) : request,
    message: Array.isArray(told) ? told : [told],
    attachments: random.chance(0.2) ? changedAttachments(random, attachments) : attachments,
  };
}

function mutateList(random: Random, list: readonly unknown[]): unknown[] {
  const told = mutateValue(random, list);
  return Array.isArray(told) ? told : [told];
}

function changedAttachments(random: Random, attachments: readonly Uint8Array[]): Uint8Array[] {
  const changed = attachments.map((bytes) => mutateBytes(random, bytes));
  if (random.chance(0.3)) changed.push(new Uint8Array(random.below(40)));
  return random.chance(0.3) ? changed.slice(1) : changed;
}

function encodeFrame({ request, message, attachments }: Sent): Uint8Array {
  const parts = new FrameEncoder().encode(request, encodeHeader(message), attachments);
  return Uint8Array.from(Buffer.concat(parts));
}

function withLength(payload: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return Buffer.concat([length, payload]);
}

/** The greeting stays whole, so that what comes after it is looked at. */
function mutateEnd(random: Random, bytes: Uint8Array): Uint8Array {
  const greeting = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return Buffer.concat([
    bytes.subarray(0, greeting),
    mutateBytes(random, bytes.subarray(greeting)),
  ]);
}

function cut(random: Random, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(random.pick([4, 64, 4096]));
    chunks.push(bytes.slice(at, at + length));
    at += length;
  }
  return chunks;
}

/** Headers of transfers and their bytes, some of another length. */
function drawBulk(random: Random): Uint8Array {
  const parts = random.times(random.between(1, 4), (index) => {
    const header = Buffer.alloc(16);
    header.writeBigUInt64BE(BigInt(index + 1), 0);
    header.writeBigUInt64BE(random.chance(0.7) ? 16n : random.pick([0n, 15n, 17n, 2n ** 63n]), 8);
    return Buffer.concat([header, new Uint8Array(16)]);
  });
  const bytes = Uint8Array.from(Buffer.concat(parts));
  return random.chance(0.3) ? mutateBytes(random, bytes) : bytes;
}
