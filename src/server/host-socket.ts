import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { DavitError } from "../error.js";
import type { Host } from "../protocol/host.js";
import type { Session } from "../protocol/session.js";
import { serveConnection } from "./connection.js";

/** The longest name of a Unix socket that the system allows. */
const LONGEST_PATH = process.platform === "linux" ? 107 : 103;

/** A socket that is served. */
export interface SocketServer {
  readonly path: string;
  /** Clients connected now. */
  readonly sessions: number;
  /** Says good-bye to all clients and removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves any number of clients of one host over a Unix socket. Only this user may connect.
 * @throws DavitError `socket_taken` where another process serves it, `socket_invalid` where it cannot be made
 */
export async function serveHost(
  host: Host,
  path: string,
  { onClosed, busyWait }: { onClosed?: () => Promise<void>; busyWait?: number | undefined } = {},
): Promise<SocketServer> {
  const bytes = Buffer.byteLength(path);
  if (bytes === 0 || bytes > LONGEST_PATH) {
    throw new DavitError(
      "socket_invalid",
      `the path of a Unix socket has ${bytes} bytes; expected 1 to ${LONGEST_PATH}: ${path}`,
    );
  }
  await removeStale(path);
  const sessions = new Set<Session>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const { session, ended } = serveConnection(host, { input: socket, output: socket, busyWait });
    sessions.add(session);
    void ended.then(() => sessions.delete(session));
  });
  try {
    await listen(server, path);
  } catch (cause) {
    const { message } = cause as Error;
    throw new DavitError("socket_invalid", `the socket ${path} cannot be made: ${message}`, {
      cause,
    });
  }
  return {
    path,
    get sessions() {
      return sessions.size;
    },
    close: async () => {
      for (const session of sessions) session.end("server_closed", "the server was closed");
      await new Promise((resolve) => server.close(resolve));
      await onClosed?.();
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The socket is made inside this call, and must not be open to others even for a moment.
    const mask = process.umask(0o177);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(mask);
    }
  });
}

/** Removes a socket that a dead process left behind; anything else stays. */
async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new DavitError("socket_invalid", `${path} exists and is not a socket`);
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
  if (alive) throw new DavitError("socket_taken", `another process serves ${path}`);
  unlinkSync(path);
}
