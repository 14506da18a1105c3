import { encode } from "@msgpack/msgpack";
import type { EngineArguments, EngineMessageName } from "../contract/engine-messages.js";
import { decodeFrame, FrameEncoder } from "../protocol/frame.js";
import { decodeHeader } from "../protocol/header.js";

/** A message of the engine, as it came: the engine is trusted to send what the contract says. */
export type EngineMessage = {
  [Type in EngineMessageName]: {
    /** The number of the request that it answers or belongs to; 0 for none. */
    readonly request: number;
    readonly type: Type;
    readonly args: EngineArguments<Type>;
    readonly attachments: readonly Uint8Array[];
  };
}[EngineMessageName];

/** A message of the engine of one type. */
export type EngineMessageOf<Type extends EngineMessageName> = EngineMessage & {
  readonly type: Type;
};

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
  const [type, ...args] = decodeHeader(header);
  return { request, type, args, attachments } as unknown as EngineMessage;
}
