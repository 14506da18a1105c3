import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import { type OpenSession, openSession } from "./session.js";

/** The session of a test, with the engine that all tests of its file share. */
export interface TestSession extends OpenSession {
  readonly engine: Engine;
  readonly host: Host;
}

/** Opens a session before each test of a file, says hello, and calls `begin` with it. It is closed after the test. */
export function sessionForEachTest(
  begin: (opened: TestSession) => void | Promise<void>,
  limits: Partial<Host["limits"]> = {},
): void {
  let engine: Engine;
  let host: Host;
  let opened: TestSession;
  beforeAll(() => {
    engine = Engine.create({ lanes: 2 });
    host = createHost(engine, undefined, limits);
  });
  afterAll(() => engine.close());
  beforeEach(async () => {
    opened = { ...openSession(host), engine, host };
    await opened.client.hello();
    await begin(opened);
  });
  afterEach(() => opened.session.close());
}
