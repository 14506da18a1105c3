import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { attach } from "../../src/attach/attach.js";
import { listEngines } from "../../src/attach/engines.js";
import { engineSocket } from "../../src/attach/folder.js";
import { Engine } from "../../src/engine/engine.js";
import { RecordingFile } from "../../src/record/index.js";
import { type SocketServer, serveSocket } from "../../src/server/socket.js";
import { hook, mx, type Traced } from "../../src/trace/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
let engine: Engine;
let server: SocketServer;
beforeAll(async () => {
  vi.stubEnv("DAVIT_RUNTIME_DIR", folder("run"));
  engine = Engine.create({ lanes: 1 });
  server = await serveSocket(engine, folder("socket"));
});
afterAll(async () => {
  await server.close();
  await engine.close();
  vi.unstubAllEnvs();
});

it("lists an engine that is served, and attaches to it by process, by path, or as the only one", async () => {
  const engines = await listEngines();
  expect(engines).toMatchObject([
    { pid: process.pid, folder: process.cwd(), programs: 0, runs: 0 },
  ]);
  for (const name of [process.pid, String(process.pid), engineSocket(process.pid), server.path]) {
    const attached = await attach(name);
    expect((await attached.info()).engine.pid).toBe(process.pid);
    await attached.close();
  }
  await (await attach()).close();
  await expect(attach(1)).rejects.toMatchObject({
    code: "engine_unknown",
    message: `there is no engine 1; expected one of ${process.pid}`,
  });
  await expect(attach(folder("none"))).rejects.toMatchObject({ code: "engine_unreachable" });
  await expect(attach({} as never)).rejects.toMatchObject({ code: "argument_invalid" });
});

it("is not listed when nobody may attach", async () => {
  const path = folder("closed");
  const closed = await serveSocket(engine, path, { attachable: false });
  expect(await listEngines()).toHaveLength(1);
  await closed.close();
});

it("watches what others compute, until it is closed", async () => {
  const f = engine.jit((x: Traced) => mx.sum(hook(mx.multiply(x, 2), "doubled")));
  const attached = await attach();
  const seen: number[][] = [];
  let more = () => {};
  const arrived = () => new Promise<void>((resolve) => (more = resolve));
  const subscription = await attached.on("doubled", ({ name, value }) => {
    expect(name).toBe("doubled");
    seen.push([...(value as Float32Array)]);
    more();
  });
  let next = arrived();
  await f([1, 2, 3]);
  await next;
  next = arrived();
  await f([4, 5, 6]);
  await next;
  expect(seen).toEqual([
    [2, 4, 6],
    [8, 10, 12],
  ]);
  subscription.close();
  // Answered after the engine took the end of the subscription.
  await attached.info();
  await f([7, 8, 9]);
  await attached.info();
  expect(seen).toHaveLength(2);
  await attached.close();
  expect((await attached.closed).code).toBe("engine_closed");
  await expect(attached.info()).rejects.toMatchObject({ code: "engine_closed" });
});

it("is refused what makes no sense with the engine's error", async () => {
  const attached = await attach();
  await expect(attached.probe("x", () => {}, { policy: { rate: -1 } })).rejects.toMatchObject({
    code: "policy_invalid",
  });
  await expect(attached.on("x", undefined as never)).rejects.toMatchObject({
    code: "handler_invalid",
  });
  for (const match of [undefined, {}, { labels: "x" }]) {
    await expect(attached.subscribe(match as never, () => {})).rejects.toMatchObject({
      code: "match_invalid",
    });
  }
  await attached.close();
});

it("lets the engine record", async () => {
  const attached = await attach();
  const path = folder("seen.rec");
  const recording = await attached.record(path, ["all"]);
  const f = engine.jit((x: Traced) => hook(mx.negative(x), "negated"));
  await f([1]);
  expect(await recording.stop()).toBe(1);
  const file = await RecordingFile.open(path);
  await file.close();
  await attached.close();
});

it("hears of the end of the engine", async () => {
  const own = Engine.create({ lanes: 1 });
  const other = await serveSocket(own, folder("other"), { attachable: false });
  const attached = await attach(other.path);
  await other.close();
  expect(await attached.closed).toMatchObject({ code: "server_closed" });
  await own.close();
});
