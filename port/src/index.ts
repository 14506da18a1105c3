/**
 * Erlang port framing for Node programs. See README.md for the whole picture.
 *
 * @packageDocumentation
 */
export { Credit } from "./credit.js";
export { PortError, type PortErrorCode } from "./error.js";
export type { PacketSize } from "./packet.js";
export { openPort, type Port, type PortOptions } from "./port.js";
