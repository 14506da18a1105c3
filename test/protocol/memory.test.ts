import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import type { TestClient } from "../support/client.js";
import { asking, hooked } from "../support/graphs.js";
import { type OpenSession, openSession } from "../support/session.js";

const MEGABYTES = 2 ** 20;
const COUNT = 4 * MEGABYTES;
/** 16 MB. */
const LARGE = ["float32", [COUNT]];

let engine: Engine;
let host: Host;
let opened: OpenSession;
let client: TestClient;
/** The lengths of the buffers that were given back. */
const released: number[] = [];

beforeAll(() => {
  engine = Engine.create({ lanes: 2 });
  host = createHost(engine);
  const release = engine.native.release.bind(engine.native);
  const value = (buffer: ArrayBufferLike) => {
    released.push(buffer.byteLength);
    release(buffer);
  };
  Object.defineProperty(engine.native, "release", { value });
});
afterAll(() => engine.close());

beforeEach(async () => {
  opened = openSession(host);
  client = opened.client;
  await client.hello();
  await client.result(["put", 1, LARGE, 0], [new Uint8Array(4 * COUNT)]);
});
afterEach(() => opened.session.close());

describe("what was sent is given back without a collection:", () => {
  it.each<[string, () => Promise<unknown>]>([
    ["a value that was read", () => client.ask(["get", 1])],
    [
      "a run's results",
      async () => {
        await client.load(1, hooked([COUNT]));
        await client.ask(["run", 1, 1, [1], [null], { fetch: 4 * COUNT }]);
      },
    ],
    [
      "the values of hooks",
      async () => {
        await client.load(1, hooked([COUNT]));
        await client.ask(["run", 1, 1, [1], [null], { hooks: [[["name", "sum"]]] }]);
        await client.find(({ type }) => type === "events");
      },
    ],
    [
      "the values of calls",
      async () => {
        await client.load(1, asking([COUNT]));
        const run = client.send(["run", 1, 1, [1], [null]]);
        const { args } = await client.find(({ type }) => type === "callback");
        client.tell(["reply_error", run, args[0], "enough", "enough"]);
        await client.answer(run);
      },
    ],
  ])("%s", async (_, ask) => {
    released.length = 0;
    await ask();
    expect(released).toEqual([4 * COUNT]);
  });
});
