import { encode } from "@msgpack/msgpack";
import { decodeFrame, FrameEncoder } from "../protocol/frame.js";
import { decodeHeader } from "../protocol/header.js";

/** A message of the engine, as it came. */
export interface EngineMessage {
  /** The number of the request that it answers or belongs to; 0 for none. */
  readonly request: number;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the type of a message determines its arguments
  readonly args: readonly any[];
  readonly attachments: readonly Uint8Array[];
}

const frames = new FrameEncoder();

/** Encodes a message to the engine. The parts are good until the next call. */
export function encodeMessage(
  request: number,
  message: readonly unknown[],
  attachments: readonly Uint8Array[] = [],
): readonly Uint8Array[] {
  return frames.encode(request, encode(message, { ignoreUndefined: true }), attachments);
}

/**
 * Decodes a frame of the engine. The attachments are views of the payload.
 * @throws ProtocolError `frame_invalid`
 */
export function decodeMessage(payload: Uint8Array): EngineMessage {
  const { request, header, attachments } = decodeFrame(payload);
  const [type, ...args] = decodeHeader(header) as readonly [string, ...unknown[]];
  return { request, type, args, attachments };
}
