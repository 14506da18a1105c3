import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import { BulkListener } from "../../src/protocol/bulk.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import { f32, floats, type TestClient } from "../support/client.js";
import { eventually } from "../support/eventually.js";
import { asking, graph, increment } from "../support/graphs.js";
import { type OpenSession, openSession } from "../support/session.js";

const F32x4 = ["float32", [4]];
const MEGABYTES = 1 << 20;
const LARGE = ["uint8", [32 * MEGABYTES]];

let engine: Engine;
let bulk: BulkListener;
let host: Host;
let opened: OpenSession;
let client: TestClient;
let token: Uint8Array;

beforeAll(async () => {
  engine = Engine.create({ lanes: 2 });
  bulk = await BulkListener.open();
  host = createHost(engine, bulk);
});

afterAll(async () => {
  bulk.close();
  await engine.close();
});

beforeEach(async () => {
  opened = openSession(host);
  client = opened.client;
  token = (await client.hello()).token;
});

afterEach(() => opened.session.close());

const active = () => engine.info().memory.active;
const tensors = () => engine.info().counters.tensors;

/** What is freed is given back in a later turn of the event loop. */
const given = (before: number) =>
  eventually(() => expect(active() - before).toBeLessThan(MEGABYTES));

/** A connection to the bulk socket that sends the bytes of a transfer. */
function dial(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(bulk.path, () => {
      socket.write(token);
      resolve(socket);
    });
  });
}

function transfer(number: number, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(BigInt(number), 0);
  header.writeBigUInt64BE(BigInt(bytes.length), 8);
  return Buffer.concat([header, bytes]);
}

async function received(socket: Socket, length: number): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= length) break;
  }
  return bytes;
}

const codeOf = async (request: number) => (await client.answer(request)).args[0].code;

describe("a put whose bytes have not come", () => {
  it("gives its memory back when its tensor is freed, and its bytes are thrown away", async () => {
    const [before, count] = [active(), tensors()];
    const puts: number[] = [];
    for (let id = 1; id <= 8; id++) puts.push(client.send(["put", id, LARGE, ["transfer", id]]));
    expect(active() - before).toBeGreaterThan(255 * MEGABYTES);
    client.tell(["free", [1, 2, 3, 4, 5, 6, 7, 8]]);
    await given(before);
    expect(tensors()).toBe(count);
    for (const put of puts) expect(await codeOf(put)).toBe("tensor_freed");
    const after = client.send(["put", 9, F32x4, ["transfer", 9]]);
    const socket = await dial();
    socket.write(transfer(3, new Uint8Array(32 * MEGABYTES)));
    socket.write(transfer(9, f32(1, 2, 3, 4)));
    expect((await client.answer(after)).type).toBe("ok");
    const { attachments } = await client.ask(["get", 9]);
    expect(floats(attachments[0])).toEqual([1, 2, 3, 4]);
    await given(before);
    socket.destroy();
  });

  it("is still there for a run that was given its tensor before it was freed", async () => {
    await client.load(1, increment());
    const put = client.send(["put", 1, F32x4, ["transfer", 1]]);
    const run = client.send(["run", 1, 1, [1], [null], { fetch: 16 }]);
    client.tell(["free", [1]]);
    const socket = await dial();
    socket.write(transfer(1, f32(1, 2, 3, 4)));
    expect(floats((await client.answer(run)).attachments[0])).toEqual([2, 3, 4, 5]);
    expect((await client.answer(put)).type).toBe("ok");
    socket.destroy();
  });

  it("is given up with the last run or read that waits for it", async () => {
    const [before, count] = [active(), tensors()];
    await client.load(1, graph([{ dtype: "uint8", shape: [32 * MEGABYTES] }], [], [0]));
    const put = client.send(["put", 1, LARGE, ["transfer", 1]]);
    const get = client.send(["get", 1, { bulk: true }]);
    const run = client.send(["run", 1, 1, [1], [null]]);
    client.tell(["free", [1]]);
    client.tell(["cancel", get]);
    client.tell(["cancel", run, "enough"]);
    expect([await codeOf(get), await codeOf(run)]).toEqual(["cancelled", "cancelled"]);
    expect(await codeOf(put)).toBe("tensor_freed");
    expect(tensors()).toBe(count);
    await given(before);
  });

  it("is still there for a program that has it as a constant, and is given up with the program", async () => {
    const [before, count] = [active(), tensors()];
    const hash = "ab".repeat(32);
    const attributes = {
      dtype: "uint8",
      shape: [32 * MEGABYTES],
      hash: new Uint8Array(32).fill(0xab),
    };
    const constants = graph([], [{ op: "constant_by_hash", attributes }], [0]);
    const put = client.send(["put", 1, LARGE, ["transfer", 1]]);
    await client.result(["load", 1, { [hash]: 1 }], [encodeGraph(constants)]);
    client.tell(["free", [1]]);
    expect(active() - before).toBeGreaterThan(31 * MEGABYTES);
    client.tell(["unload", 1]);
    expect(await codeOf(put)).toBe("tensor_freed");
    expect(tensors()).toBe(count);
    await given(before);
  });

  it("fails when it is cancelled, and all that waits for it with the same error", async () => {
    const count = tensors();
    await client.load(1, increment());
    const put = client.send(["put", 1, F32x4, ["transfer", 1]]);
    const run = client.send(["run", 1, 1, [1], [2]]);
    const get = client.send(["get", 2]);
    client.tell(["cancel", put, "its sender died"]);
    const errors = await Promise.all([put, run, get].map((one) => client.answer(one)));
    for (const { args } of errors) {
      expect(args[0]).toMatchObject({ code: "cancelled", message: "its sender died" });
    }
    client.tell(["free", [1, 2]]);
    expect(tensors()).toBe(count);
  });

  it("that is coming keeps its memory until the last byte", async () => {
    const before = active();
    const bytes = new Uint8Array(32 * MEGABYTES);
    const first = client.send(["put", 1, F32x4, ["transfer", 1]]);
    const put = client.send(["put", 2, LARGE, ["transfer", 2]]);
    const socket = await dial();
    socket.write(transfer(1, f32(1, 2, 3, 4)));
    const all = transfer(2, bytes);
    socket.write(all.subarray(0, 1000));
    await client.answer(first);
    // The header of the second has come, or comes before the cancel is taken: both are right.
    client.tell(["cancel", put]);
    expect(await codeOf(put)).toBe("cancelled");
    client.tell(["free", [2]]);
    const next = client.send(["put", 3, F32x4, ["transfer", 3]]);
    socket.write(all.subarray(1000));
    socket.write(transfer(3, f32(5, 6, 7, 8)));
    expect((await client.answer(next)).type).toBe("ok");
    await given(before);
    socket.destroy();
  });
});

describe("a read that is given up", () => {
  it("before its tensor is there is answered at once", async () => {
    await client.load(1, asking());
    const run = client.send(["run", 1, 1, [["inline", F32x4, 0]], [1]], [f32(1, 2, 3, 4)]);
    const get = client.send(["get", 1]);
    const other = client.send(["get", 1]);
    client.tell(["cancel", get, "timeout"]);
    expect((await client.answer(get)).args[0]).toMatchObject({
      code: "cancelled",
      message: "timeout",
    });
    await client.find(({ type }) => type === "callback");
    client.tell(["reply", run, 1, [["inline", F32x4, 0]]], [f32(4, 3, 2, 1)]);
    expect(floats((await client.answer(other)).attachments[0])).toEqual([4, 3, 2, 1]);
    const answers = client.received.filter(({ request }) => request === get);
    expect(answers).toHaveLength(1);
  });

  it("after its answer lets go of the tensor, and an empty transfer comes", async () => {
    const before = active();
    await client.result(["put", 1, LARGE, 0], [new Uint8Array(32 * MEGABYTES)]);
    const reads: number[] = [];
    for (let count = 0; count < 3; count++) reads.push(client.send(["get", 1, { bulk: true }]));
    const answers = await Promise.all(reads.map((read) => client.answer(read)));
    await client.result(["put", 2, F32x4, 0], [f32(1, 2, 3, 4)]);
    const { transfer: last } = await client.result(["get", 2, { bulk: true }]);
    client.tell(["free", [1]]);
    expect(active() - before).toBeGreaterThan(31 * MEGABYTES);
    for (const read of reads) client.tell(["cancel", read]);
    await given(before);
    const socket = await dial();
    const numbers = [0, ...answers.map(({ args }) => args[0].transfer)];
    const expected = numbers.map((number) => transfer(number, new Uint8Array(0)));
    expected.push(transfer(last, f32(1, 2, 3, 4)));
    const all = Buffer.concat(expected);
    expect(await received(socket, all.length)).toEqual(all);
    socket.destroy();
  });

  it("is nothing to one that is over", async () => {
    await client.result(["put", 1, F32x4, 0], [f32(1, 2, 3, 4)]);
    const get = client.send(["get", 1]);
    await client.answer(get);
    client.tell(["cancel", get]);
    expect((await client.ask(["info"])).type).toBe("ok");
    expect(client.received.filter(({ request }) => request === get)).toHaveLength(1);
  });

  it("counts as open until its transfer is over", async () => {
    const one = openSession(host, { requests: 3 });
    await one.client.hello();
    await one.client.result(["put", 1, F32x4, 0], [f32(1, 2, 3, 4)]);
    for (let count = 0; count < 5; count++) one.client.send(["get", 1, { bulk: true }]);
    await one.closed;
    expect(one.client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["request_limit_exceeded", expect.any(String)],
    });
  });
});

it("a session that ends gives all of it back", async () => {
  const [before, count] = [active(), tensors()];
  const one = openSession(host);
  await one.client.hello();
  await one.client.load(1, graph([{ dtype: "uint8", shape: [32 * MEGABYTES] }], [], [0]));
  one.client.send(["put", 1, LARGE, ["transfer", 1]]);
  one.client.send(["run", 1, 1, [1], [2]]);
  one.client.send(["get", 2, { bulk: true }]);
  await one.client.result(["put", 3, LARGE, 0], [new Uint8Array(32 * MEGABYTES)]);
  await one.client.result(["get", 3, { bulk: true }]);
  one.session.close();
  await given(before);
  // The run ends in a turn of its own.
  await eventually(() => expect(tensors()).toBe(count));
});
