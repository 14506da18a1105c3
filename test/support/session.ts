import type { Host } from "../../src/protocol/host.js";
import { Session } from "../../src/protocol/session.js";
import { TestClient } from "./client.js";

/** A session whose frames go straight to a client. */
export interface OpenSession {
  readonly client: TestClient;
  readonly session: Session;
  /** Resolves when the session has said good-bye. */
  readonly closed: Promise<void>;
}

/** Opens a session without a connection. */
export function openSession(host: Host, limits: Partial<Host["limits"]> = {}): OpenSession {
  const client = new TestClient((payload) => session.receive(payload));
  let close: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const session = new Session(
    { ...host, limits: { ...host.limits, ...limits } },
    {
      write: (parts, left) => {
        client.take(Buffer.concat(parts instanceof Uint8Array ? [parts] : parts));
        left?.();
        return true;
      },
      pendingBytes: 0,
      drain: async () => {},
      close: async () => close(),
    },
  );
  return { client, session, closed };
}
