import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import type { TestClient } from "../support/client.js";
import { graph } from "../support/graphs.js";
import { type OpenSession, openSession } from "../support/session.js";

const KILOBYTES = 2 ** 10;
const TYPE = ["uint8", [64 * KILOBYTES]];
const BYTES = 64 * KILOBYTES;

let engine: Engine;
let host: Host;
let opened: OpenSession;
let client: TestClient;

beforeAll(() => {
  engine = Engine.create({ lanes: 1, memoryLimit: 2 ** 28, cacheLimit: 2 ** 20 });
  host = createHost(engine);
});
afterAll(() => engine.close());
beforeEach(async () => {
  opened = openSession(host);
  client = opened.client;
  await client.result(["hello", { protocol: 1, client: "one" }]);
});
afterEach(() => opened.session.close());

interface Row {
  readonly client: string;
  readonly own: boolean;
  readonly [field: string]: unknown;
}
const memory = async (from: TestClient = client) =>
  (await from.result(["memory"])) as { sessions: Row[]; [field: string]: unknown };
const own = async () => (await memory()).sessions.find((row) => row.own);

describe("memory", () => {
  it("says what is in use, and the limits", async () => {
    await client.result(["put", 1, TYPE, 0], [new Uint8Array(BYTES)]);
    const { active, peak, cached, limit, cache_limit, models } = await memory();
    expect(active).toBeGreaterThanOrEqual(BYTES);
    expect(peak).toBeGreaterThanOrEqual(active as number);
    expect(cached).toBeLessThanOrEqual(2 ** 20);
    expect([limit, cache_limit, models]).toEqual([2 ** 28, 2 ** 20, []]);
  });

  it("lists what a session has, and had at most", async () => {
    expect(await own()).toMatchObject({ client: "one", tensors: 0, bytes: 0, models: [] });
    for (const id of [1, 2, 3]) {
      await client.result(["put", id, TYPE, 0], [new Uint8Array(BYTES)]);
    }
    expect(await own()).toMatchObject({ tensors: 3, typed: 3 * BYTES, peak: 3 * BYTES });
    client.send(["free", [2, 3]]);
    const row = await own();
    expect(row).toMatchObject({ tensors: 1, typed: BYTES, peak: 3 * BYTES });
    expect(row?.bytes).toBeGreaterThanOrEqual(BYTES);
    expect(row?.bytes).toBeLessThan(2 * BYTES);
  });

  it("lists every session for all of them, as long as they are open", async () => {
    const other = openSession(host);
    await other.client.result(["hello", { protocol: 1, client: "two" }]);
    await other.client.result(["put", 7, TYPE, 0], [new Uint8Array(BYTES)]);
    const names = (rows: readonly Row[]) => rows.map(({ client: name, own: mine }) => [name, mine]);
    expect(names((await memory()).sessions)).toEqual([
      ["one", true],
      ["two", false],
    ]);
    const rows = (await memory(other.client)).sessions;
    expect(names(rows)).toEqual([
      ["one", false],
      ["two", true],
    ]);
    expect(rows.map(({ tensors }) => tensors)).toEqual([0, 1]);
    const numbers = rows.map(({ session }) => session as number);
    expect(numbers[1]).toBe((numbers[0] as number) + 1);
    const listed = engine.memory().owners.filter(({ kind }) => kind === "session");
    expect(listed.map(({ name }) => name)).toEqual([`${numbers[0]} one`, `${numbers[1]} two`]);
    other.session.close();
    expect(names((await memory()).sessions)).toEqual([["one", true]]);
  });

  it("counts nothing for a tensor that could not be made", async () => {
    await client.result(["put", 1, TYPE, 0], [new Uint8Array(3)]).catch(() => {});
    client.send(["free", [1]]);
    expect(await own()).toMatchObject({ typed: 0, peak: 0 });
  });
});

describe("the limit of a session's tensors", () => {
  const refused = { code: "tensor_limit_exceeded" };
  let limited: OpenSession;
  beforeEach(async () => {
    limited = openSession(host, { tensorBytes: 3 * BYTES });
    const { limits } = (await limited.client.hello()) as { limits: { tensor_bytes: number } };
    expect(limits.tensor_bytes).toBe(3 * BYTES);
  });
  afterEach(() => limited.session.close());

  const put = (id: number) => limited.client.result(["put", id, TYPE, 0], [new Uint8Array(BYTES)]);

  it("is for what is put, and is free again where it was freed", async () => {
    for (const id of [1, 2, 3]) await put(id);
    await expect(put(4)).rejects.toMatchObject({
      ...refused,
      message: `tensors of ${BYTES} bytes are to be made; the session has ${3 * BYTES} and may have ${3 * BYTES}`,
    });
    await expect(limited.client.result(["get", 4])).rejects.toMatchObject(refused);
    limited.client.send(["free", [1, 4]]);
    await put(5);
    // Others have limits of their own.
    for (const id of [1, 2, 3, 4]) {
      await client.result(["put", id, TYPE, 0], [new Uint8Array(BYTES)]);
    }
  });

  it("is for the results of runs that are kept, less what is donated to them", async () => {
    const type = { dtype: "uint8", shape: [BYTES] } as const;
    await limited.client.load(1, graph([type], [{ op: "add", inputs: [0, 0] }], [1]));
    for (const id of [1, 2, 3]) await put(id);
    await expect(limited.client.result(["run", 1, 1, [1], [9]])).rejects.toMatchObject(refused);
    await limited.client.result(["run", 1, 1, [1], [null]]);
    await limited.client.result(["run", 1, 1, [1], [10], { donate: [0] }]);
    limited.client.send(["free", [2]]);
    await limited.client.result(["run", 1, 1, [10], [11]]);
  });
});
