import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPort } from "erlang-port";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { type SocketServer, serveSocket } from "../../src/server/socket.js";
import { f32, floats, TestClient } from "../support/client.js";
import { increment } from "../support/graphs.js";

const F32x4 = ["float32", [4]];

let engine: Engine;
let folder: string;
let path: string;
let server: SocketServer | undefined;

beforeAll(() => {
  engine = Engine.create({ lanes: 1 });
});

afterAll(() => engine.close());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "davit-test-"));
  path = join(folder, "socket");
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

/** Connects a client. */
async function dial(to = path) {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const made = connect(to, () => resolve(made));
    made.once("error", reject);
  });
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const port = openPort({
    input: socket,
    output: socket,
    onFrame: (frame) => client.take(frame),
    onEnd: () => port.destroy(),
  });
  const client = new TestClient((payload) => port.write(payload));
  return { client, socket, ended };
}

describe("a socket server", () => {
  it("serves several clients on one engine, each with its own names", async () => {
    server = await serveSocket(engine, path);
    const clients = await Promise.all([dial(), dial(), dial()]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const hellos = await Promise.all(clients.map(({ client }) => client.hello()));
    expect(new Set(hellos.map(({ instance }) => instance)).size).toBe(1);
    expect(new Set(hellos.map(({ token }) => Buffer.from(token).toString("hex"))).size).toBe(3);
    const answers = clients.map(({ client }, index) => {
      void client.load(1, increment());
      return client.ask(
        ["run", 1, 1, [["inline", F32x4, 0]], [1], { fetch: 16 }],
        [f32(index, 0, 0, 0)],
      );
    });
    for (const [index, answer] of answers.entries()) {
      expect(floats((await answer).attachments[0])).toEqual([index + 1, 1, 1, 1]);
    }
    expect(server.sessions).toBe(3);
    for (const { socket, ended } of clients) {
      socket.end();
      await ended;
    }
    expect(server.sessions).toBe(0);
  });

  it("frees what a client leaves behind", async () => {
    server = await serveSocket(engine, path);
    const bytes = new Uint8Array(20_000_000);
    const before = engine.info().memory.active;
    const { client, socket, ended } = await dial();
    await client.hello();
    await client.result(["put", 1, ["uint8", [bytes.length]], 0], [bytes]);
    expect(engine.info().memory.active).toBeGreaterThanOrEqual(before + bytes.length);
    socket.destroy();
    await ended;
    const other = await dial();
    await other.client.hello();
    for (;;) {
      const { memory } = await other.client.result(["info"]);
      if (memory.active < before + bytes.length) break;
    }
    other.socket.destroy();
  });

  it("says good-bye when it is closed, and removes its socket", async () => {
    server = await serveSocket(engine, path);
    const { client, ended } = await dial();
    await client.hello();
    await server.close();
    await ended;
    expect(client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["server_closed", expect.any(String)],
    });
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
    server = undefined;
  });

  it("ends one session for a frame that is too long, and serves the others", async () => {
    server = await serveSocket(engine, path, { limits: { maxFrameBytes: 1000 } });
    const bad = await dial();
    const good = await dial();
    await bad.client.hello();
    bad.client.send(["put", 1, ["uint8", [2000]], 0], [new Uint8Array(2000)]);
    await bad.ended;
    expect(bad.client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["frame_too_large", expect.stringMatching(/1000/)],
    });
    expect(await good.client.hello()).toMatchObject({ limits: { max_frame_bytes: 1000 } });
    good.socket.destroy();
  });

  it("takes the place of a dead one, and not of a living one", async () => {
    const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    expect(spawnSync(process.execPath, ["-e", script]).signal).toBe("SIGKILL");
    expect(statSync(path).isSocket()).toBe(true);
    server = await serveSocket(engine, path);
    await expect(serveSocket(engine, path)).rejects.toMatchObject({ code: "socket_taken" });
    const { client, socket } = await dial();
    await client.hello();
    socket.destroy();
  });
});

describe("a socket that cannot be served", () => {
  it.each([
    ["no path", () => "", /0 bytes/],
    ["a path that is too long", () => join(folder, "x".repeat(200)), /bytes; expected 1 to/],
    ["a folder that is not there", () => join(folder, "none", "socket"), /cannot be made/],
    [
      "a file",
      () => {
        writeFileSync(path, "mine");
        return path;
      },
      /is not a socket/,
    ],
  ])("for %s is refused", async (_, make, message) => {
    await expect(serveSocket(engine, make())).rejects.toMatchObject({
      code: "socket_invalid",
      message,
    });
  });
});
