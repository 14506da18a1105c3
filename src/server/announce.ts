import { rmSync } from "node:fs";
import { engineSocket, ensureRuntimeFolder, removeDeadSockets } from "../attach/folder.js";
import type { Host } from "../protocol/host.js";
import { type SocketServer, serveHost } from "./host-socket.js";

/**
 * Opens a socket in the run-time folder of this user, so that `davit ps` finds the engine and `davit watch` attaches to it.
 * An engine to which nobody can attach works all the same: what stands in the way is printed.
 */
export async function announce(host: Host): Promise<SocketServer | undefined> {
  try {
    ensureRuntimeFolder();
    removeDeadSockets();
    const path = engineSocket(process.pid);
    process.once("exit", () => rmSync(path, { force: true }));
    return await serveHost(host, path, { busyWait: 0 });
  } catch (error) {
    console.error(`davit: nobody can attach to this engine: ${(error as Error).message}`);
    return undefined;
  }
}
