/**
 * What went wrong, for programs:
 *
 * - `option_invalid`: an option or argument has a wrong value.
 * - `descriptor_invalid`: a descriptor is not open, or is not a pipe or socket.
 * - `frame_too_large`: a frame is longer than the limit (read) or than the header can say (write).
 * - `frame_truncated`: the input ended inside a frame.
 * - `peer_closed`: the other side is gone (broken pipe, connection reset).
 * - `port_closed`: the port was closed on this side.
 * - `io_failed`: any other failure of a descriptor; `cause` has the system's error.
 */
export type PortErrorCode =
  | "option_invalid"
  | "descriptor_invalid"
  | "frame_too_large"
  | "frame_truncated"
  | "peer_closed"
  | "port_closed"
  | "io_failed";

/** Every error of this package: a stable `code` for programs, a message for people. */
export class PortError extends Error {
  override readonly name = "PortError";

  constructor(
    readonly code: PortErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Wraps an error of a Node stream. */
export function fromStreamError(error: NodeJS.ErrnoException, where: string): PortError {
  const gone = error.code === "EPIPE" || error.code === "ECONNRESET";
  return new PortError(
    gone ? "peer_closed" : "io_failed",
    gone ? `the peer closed the ${where} (${error.code})` : `${where}: ${error.message}`,
    { cause: error },
  );
}
