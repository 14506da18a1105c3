import { ProtocolError } from "./error.js";

/** A frame's payload, taken apart. Everything is a view of the payload. */
export interface Frame {
  readonly request: number;
  readonly header: Uint8Array;
  readonly attachments: readonly Uint8Array[];
}

const PREFACE = 16;
const ALIGNMENT = 8;
/** Frames up to this length are built in memory that the next frame uses again; a connection copies such parts at once. */
const SCRATCH = 7 * 1024;
const NO_ATTACHMENTS: readonly Uint8Array[] = [];
const NO_PADDING = new Uint8Array(ALIGNMENT);

/**
 * Takes a payload apart and copies nothing.
 * @throws ProtocolError `frame_invalid` where lengths do not add up, the request number is too large or padding is not zero.
 */
export function decodeFrame(payload: Uint8Array): Frame {
  const length = payload.length;
  if (length < PREFACE) {
    throw bad(`a frame has ${length} bytes`, `at least ${PREFACE}`);
  }
  const request = uint32(payload, 0) * 2 ** 32 + uint32(payload, 4);
  if (request > Number.MAX_SAFE_INTEGER) {
    throw bad(`a frame's request number is ${request}`, "at most 2^53 - 1");
  }
  const headerBytes = uint32(payload, 8);
  const count = uint32(payload, 12);
  const start = PREFACE + 4 * count;
  const end = start + headerBytes;
  if (end > length) {
    throw bad(
      `a frame of ${length} bytes says that its header has ${headerBytes} bytes and that it has ${count} attachments`,
      `at least ${end} bytes`,
    );
  }
  const header = payload.subarray(start, end);
  if (count === 0) {
    if (end !== length) throw bad(`a frame of ${length} bytes goes on after its header`, `${end}`);
    return { request, header, attachments: NO_ATTACHMENTS };
  }
  return { request, header, attachments: cut(payload, count, end) };
}

function cut(payload: Uint8Array, count: number, headerEnd: number): Uint8Array[] {
  const attachments = new Array<Uint8Array>(count);
  let position = headerEnd;
  for (let index = 0; index < count; index++) {
    const start = align(position);
    const end = start + uint32(payload, PREFACE + 4 * index);
    if (end > payload.length) {
      throw bad(
        `attachment ${index} of a frame ends at byte ${end}`,
        `at most ${payload.length}, the frame's length`,
      );
    }
    for (let at = position; at < start; at++) {
      if (payload[at] !== 0) {
        throw bad(`the padding before attachment ${index} of a frame holds ${payload[at]}`, "0");
      }
    }
    attachments[index] = payload.subarray(start, end);
    position = end;
  }
  if (position !== payload.length) {
    throw bad(`a frame of ${payload.length} bytes goes on after its attachments`, `${position}`);
  }
  return attachments;
}

/** Puts frames together. Reuses its memory: a frame's parts are good until the next call, unless longer than 7 KiB. */
export class FrameEncoder {
  readonly #scratch = new Uint8Array(SCRATCH);

  /** The parts of a payload, in order. Long attachments are parts of their own and are not copied. */
  encode(
    request: number,
    header: Uint8Array,
    attachments: readonly Uint8Array[] = NO_ATTACHMENTS,
  ): Uint8Array[] {
    const headEnd = PREFACE + 4 * attachments.length + header.length;
    let total = headEnd;
    for (const attachment of attachments) total = align(total) + attachment.length;
    const small = total <= SCRATCH;
    const head = small ? this.#scratch : new Uint8Array(headEnd);
    writePreface(head, request, header, attachments);
    if (!small) return spread(head, attachments);
    let position = headEnd;
    for (const attachment of attachments) {
      const start = align(position);
      head.fill(0, position, start);
      head.set(attachment, start);
      position = start + attachment.length;
    }
    return [head.subarray(0, total)];
  }
}

function writePreface(
  head: Uint8Array,
  request: number,
  header: Uint8Array,
  attachments: readonly Uint8Array[],
): void {
  putUint32(head, 0, Math.floor(request / 2 ** 32));
  putUint32(head, 4, request % 2 ** 32);
  putUint32(head, 8, header.length);
  putUint32(head, 12, attachments.length);
  let position = PREFACE;
  for (const attachment of attachments) {
    putUint32(head, position, attachment.length);
    position += 4;
  }
  head.set(header, position);
}

function spread(head: Uint8Array, attachments: readonly Uint8Array[]): Uint8Array[] {
  const parts = [head];
  let position = head.length;
  for (const attachment of attachments) {
    const padding = align(position) - position;
    if (padding > 0) parts.push(NO_PADDING.subarray(0, padding));
    if (attachment.length > 0) parts.push(attachment);
    position += padding + attachment.length;
  }
  return parts;
}

function align(position: number): number {
  return Math.ceil(position / ALIGNMENT) * ALIGNMENT;
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 2 ** 24 +
    (((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number))
  );
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function bad(found: string, expected: string): ProtocolError {
  return new ProtocolError("frame_invalid", `${found}; expected ${expected}`, expected);
}
