import { PortError } from "./error.js";

/** Bytes in the length header of a frame, as in Erlang's `{packet, N}`: big-endian, unsigned. */
export type PacketSize = 1 | 2 | 4;

/** The longest frame whose length the header can say. */
export function maxLength(packet: PacketSize): number {
  return 2 ** (8 * packet) - 1;
}

/** Checks a value that came from the user. */
export function checkPacket(packet: unknown): PacketSize {
  if (packet === 1 || packet === 2 || packet === 4) return packet;
  throw new PortError("option_invalid", `packet is ${String(packet)}; expected 1, 2 or 4`);
}

/** Checks that an option is an integer >= least. */
export function checkInteger(value: unknown, name: string, least: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  throw new PortError(
    "option_invalid",
    `${name} is ${String(value)}; expected an integer >= ${least}`,
  );
}
