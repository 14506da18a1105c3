import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { attach } from "../../src/attach/attach.js";
import { listEngines } from "../../src/attach/engines.js";
import { ps } from "../../src/cli/ps.js";
import { Engine } from "../../src/engine/engine.js";
import { type SocketServer, serveSocket } from "../../src/server/socket.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
let engine: Engine;
let server: SocketServer;
beforeAll(async () => {
  vi.stubEnv("DAVIT_RUNTIME_DIR", folder("run"));
  engine = Engine.create({ lanes: 1, memoryLimit: 2 ** 28, cacheLimit: 2 ** 20 });
  server = await serveSocket(engine, folder("socket"));
});
afterAll(async () => {
  await server.close();
  await engine.close();
  vi.unstubAllEnvs();
});
afterEach(() => vi.restoreAllMocks());

/** What `davit ps` prints. */
async function printed(...flags: string[]): Promise<string> {
  const print = vi.spyOn(console, "log").mockReturnValue(undefined);
  const code = await ps.run({ flags: new Set(flags), values: new Map(), positionals: [] });
  expect(code).toBe(0);
  return print.mock.calls.flat().join("\n");
}

it("lists engines, a line for each", async () => {
  const lines = (await printed()).split("\n");
  expect(lines[0]).toMatch(/^PID +UPTIME +PROGRAMS +RUNS +MEMORY +FOLDER$/);
  expect(lines[1]).toMatch(new RegExp(`^${process.pid} +\\d+ s .* MiB +${process.cwd()}$`));
});

it("lists with --memory who has an engine's memory, but for itself", async () => {
  const attached = await attach();
  const lines = (await printed("memory")).split("\n");
  expect(lines[0]).toBe(`${process.pid} ${process.cwd()}`);
  expect(lines[1]).toMatch(
    /^[\d.]+ MiB in use \(at most [\d.]+ MiB, limit 256.0 MiB\), [\d.]+ MiB kept for reuse \(limit 1.0 MiB\)$/,
  );
  expect(lines[2]).toMatch(/^OWNER +MEMORY +PEAK +HAS +NAME$/);
  expect(lines.slice(3)).toEqual([
    expect.stringMatching(/^session \d+ +0.0 MiB +0.0 MiB +0 tensors, 0 programs +davit-engine$/),
  ]);
  await attached.close();
});

it("says the same as JSON, and as listEngines does", async () => {
  const [info] = await listEngines({ usage: true });
  expect(info?.usage).toMatchObject({ limit: 2 ** 28, cacheLimit: 2 ** 20, models: [] });
  const [json] = JSON.parse(await printed("memory", "json"));
  expect(Object.keys(json.usage)).toEqual(Object.keys(info?.usage ?? {}));
  expect((await listEngines())[0]).not.toHaveProperty("usage");
});
