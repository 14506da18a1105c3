import type { Engine } from "../engine/engine.js";
import { BulkListener } from "../protocol/bulk.js";
import { createHost } from "../protocol/host.js";
import { announce } from "./announce.js";
import type { ServerOptions } from "./connection.js";
import { type SocketServer, serveHost } from "./host-socket.js";

/**
 * Serves any number of clients over a Unix socket, all on one engine. Only this user may connect.
 * @throws DavitError `socket_taken` where another process serves it, `socket_invalid` where it cannot be made.
 */
export async function serveSocket(
  engine: Engine,
  path: string,
  { limits, attachable = true, busyWait }: ServerOptions = {},
): Promise<SocketServer> {
  const bulk = await BulkListener.open();
  const host = createHost(engine, bulk, limits);
  const announced = attachable ? await announce(host) : undefined;
  const close = async () => {
    await announced?.close();
    bulk.close();
  };
  try {
    return await serveHost(host, path, { busyWait, onClosed: close });
  } catch (error) {
    await close();
    throw error;
  }
}

export type { SocketServer };
