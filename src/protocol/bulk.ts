import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BulkConnection } from "./bulk-connection.js";
import type { Transfers } from "./transfers.js";

const TOKEN_BYTES = 16;

/** The Unix socket for large tensors, in a folder of its own that only this user may enter. One for all sessions of an engine. */
export class BulkListener {
  readonly path: string;
  readonly #folder: string;
  readonly #server: Server;
  readonly #sessions = new Map<string, Transfers>();
  readonly #connections = new Set<BulkConnection>();

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "davit-"));
    this.path = join(this.#folder, "bulk");
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
    this.#server.unref();
  }

  /** Opens the socket. */
  static open(): Promise<BulkListener> {
    return new Promise((resolve, reject) => {
      const listener = new BulkListener();
      listener.#server.once("error", reject);
      listener.#server.listen(listener.path, () => resolve(listener));
    });
  }

  /** Admits a session; the result is the token that its client shows. */
  admit(transfers: Transfers): Uint8Array {
    const token = randomBytes(TOKEN_BYTES);
    this.#sessions.set(token.toString("hex"), transfers);
    return token;
  }

  /** Forgets a session's token. */
  dismiss(token: Uint8Array): void {
    this.#sessions.delete(Buffer.from(token).toString("hex"));
  }

  /** Closes all connections and removes the socket. */
  close(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #accept(socket: Socket): void {
    const connection = new BulkConnection(socket, {
      tokenBytes: TOKEN_BYTES,
      session: (token) => this.#sessions.get(token.toString("hex")),
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}
