import { openPort, type PortOptions } from "erlang-port";
import type { Host } from "../protocol/host.js";
import type { Limits } from "../protocol/limits.js";
import { Session } from "../protocol/session.js";

/** Options of serving clients. */
export interface ServerOptions {
  readonly limits?: Partial<Limits>;
  /** Microseconds for which the process stays awake after an answer, for a client that is as prompt. Default 200; 0 for never. */
  readonly busyWait?: number | undefined;
  /** Lets other processes of this user attach to the engine; see `davit ps`. Default true. */
  readonly attachable?: boolean;
}

/** A client that calls in a loop comes back within tens of microseconds. */
const BUSY_WAIT = 200;

/** A session at work. */
export interface ServedConnection {
  readonly session: Session;
  /** Resolves when the client is gone or was dismissed: true where it closed the connection in good order. */
  readonly ended: Promise<boolean>;
  /** Resolves when, after that, what was still to be sent has been sent and the connection is closed. */
  readonly closed: Promise<void>;
}

/** Lets a session speak over a pair of descriptors or a stream. */
export function serveConnection(
  host: Host,
  {
    busyWait = BUSY_WAIT,
    ...io
  }: Pick<PortOptions, "input" | "output"> & Pick<ServerOptions, "busyWait">,
): ServedConnection {
  let end: (clean: boolean) => void = () => {};
  let close: () => void = () => {};
  const ended = new Promise<boolean>((resolve) => {
    end = resolve;
  });
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const dismiss = async (clean: boolean) => {
    end(clean);
    await port.close();
    close();
  };
  const port = openPort({
    ...io,
    packet: 4,
    maxFrameBytes: host.limits.maxFrameBytes,
    busyWait,
    onFrame: (frame) => session.receive(frame),
    onEnd: (error) => {
      if (error !== undefined) return session.end(error.code, error.message);
      session.close();
      void dismiss(true);
    },
  });
  const session = new Session(host, {
    write: (parts, left) => port.write(parts, left),
    get pendingBytes() {
      return port.pendingBytes;
    },
    drain: () => port.drain(),
    close: () => dismiss(false),
  });
  session.greet();
  return { session, ended, closed };
}
