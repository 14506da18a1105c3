import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import type { GraphFunction } from "../../src/graph/graph.js";
import { FrameEncoder } from "../../src/protocol/frame.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import { Session } from "../../src/protocol/session.js";
import { f32, floats, TestClient } from "../support/client.js";
import { asking, graph, increment } from "../support/graphs.js";
import { openSession } from "../support/session.js";

const F32x4 = ["float32", [4]];

let engine: Engine;
let host: Host;
let client: TestClient;
let session: Session;
let closed: Promise<void>;

beforeAll(() => {
  engine = Engine.create({ lanes: 2 });
  host = createHost(engine);
});

afterAll(() => engine.close());

beforeEach(async () => {
  client = open();
  await client.hello();
});

afterEach(() => session.close());

function open(limits: Partial<Host["limits"]> = {}): TestClient {
  const opened = openSession(host, limits);
  ({ session, closed } = opened);
  return opened.client;
}

describe("a donated input", () => {
  it("is freed at arrival, also where it is pending", async () => {
    await client.load(1, increment());
    await client.result(["put", 1, F32x4, 0], [f32(1, 2, 3, 4)]);
    client.send(["run", 1, 1, [1], [2], { donate: [0] }]);
    await expect(client.result(["get", 1])).rejects.toMatchObject({ code: "tensor_unknown" });
    const run = client.send(["run", 1, 1, [2], [3], { donate: [0] }]);
    await expect(client.result(["get", 2])).rejects.toMatchObject({ code: "tensor_unknown" });
    await client.answer(run);
    const { attachments } = await client.ask(["get", 3]);
    expect(floats(attachments[0])).toEqual([3, 4, 5, 6]);
    expect(await client.result(["info"])).toMatchObject({ tensors: 1 });
  });

  it("is a tensor by its id; a run that is refused leaves it", async () => {
    await client.load(1, increment());
    await client.result(["put", 1, F32x4, 0], [f32(1, 2, 3, 4)]);
    for (const [inputs, donate] of [
      [[1], [1]],
      [[1], [-1]],
      [[1], 0],
      [[["inline", F32x4, 0]], [0]],
    ]) {
      const run = client.result(["run", 1, 1, inputs, [null], { donate }], [f32(1, 2, 3, 4)]);
      await expect(run).rejects.toMatchObject({ code: "message_invalid" });
    }
    expect(floats((await client.ask(["get", 1])).attachments[0])).toEqual([1, 2, 3, 4]);
  });
});

describe("hello", () => {
  it("tells versions, devices, limits and which engine this is", async () => {
    const one = open();
    const result = await one.hello({ hook_credit: 1000 });
    expect(result).toMatchObject({
      protocol: 1,
      engine: "davit",
      instance: host.instance,
      bulk: null,
      limits: { max_frame_bytes: 64 * 1024 * 1024, hook_credit: 1000, requests: 65_536 },
    });
    expect(result.limits.memory).toBe(host.engine.info().memory.limit);
    expect(result.versions.mlx).toMatch(/^\d+\.\d+/);
    expect(result.devices).toContain("cpu");
  });

  it("must come first", async () => {
    const one = open();
    one.send(["info"]);
    await closed;
    expect(one.received.map(({ type, args }) => [type, args[0]])).toEqual([
      ["bye", "hello_missing"],
    ]);
  });

  it("ends the session where the version is another", async () => {
    const one = open();
    one.send(["hello", { protocol: 2 }]);
    await closed;
    expect(one.received[0]).toMatchObject({
      type: "bye",
      args: ["protocol_unsupported", expect.any(String)],
    });
  });

  it("is said once", async () => {
    await expect(client.hello()).rejects.toMatchObject({ code: "hello_repeated" });
  });
});

describe("one burst", () => {
  it("of load, put, run, run, get and free needs no answer in between", async () => {
    const loaded = client.load(1, increment());
    client.send(["put", 10, F32x4, 0], [f32(1, 2, 3, 4)]);
    const first = client.send(["run", 1, 1, [10], [11], {}]);
    const second = client.send(["run", 2, 1, [11], [12], { fetch: 1000 }]);
    const value = client.send(["get", 12]);
    client.tell(["free", [10, 11, 12]]);
    expect(await loaded).toMatchObject({ inputs: [F32x4], outputs: [F32x4], sites: [] });
    expect((await client.answer(first)).args[0]).toEqual({ outputs: [F32x4], values: [null] });
    const answer = await client.answer(second);
    expect(answer.args[0]).toEqual({ outputs: [F32x4], values: [0] });
    expect(floats(answer.attachments[0])).toEqual([3, 4, 5, 6]);
    const got = await client.answer(value);
    expect(got.args[0]).toEqual({ type: F32x4, value: 0 });
    expect(floats(got.attachments[0])).toEqual([3, 4, 5, 6]);
    expect(await client.result(["info"])).toMatchObject({ tensors: 0, programs: 1 });
  });

  it("may hold runs without answers, whose failure is that of their outputs", async () => {
    await client.load(1, increment());
    client.send(["put", 10, F32x4, 0], [f32(1, 2, 3, 4)]);
    client.send(["put", 20, ["float32", [2]], 0], [f32(1, 2)]);
    const silent = client.send(["run", 1, 1, [10], [11], { answer: false }]);
    const { attachments } = await client.ask(["get", 11]);
    expect(floats(attachments[0])).toEqual([2, 3, 4, 5]);
    const wrong = client.send(["run", 1, 1, [20], [21], { answer: false }]);
    client.send(["run", 1, 1, [21], [22], { answer: false }]);
    const { args } = await client.ask(["get", 22]);
    expect(args[0]).toMatchObject({ code: "input_type_invalid", run: wrong });
    const answered = client.received.map(({ request }) => request);
    expect(answered).not.toContain(silent);
    expect(answered).not.toContain(wrong);
    expect(await client.result(["info"])).toMatchObject({ engine: { runs: 0 } });
  });

  it("names the run that failed wherever its outputs are used", async () => {
    await client.load(1, increment());
    client.send(["put", 20, ["float32", [2]], 0], [f32(1, 2)]);
    const wrong = client.send(["run", 1, 1, [20], [21], {}]);
    const next = client.send(["run", 1, 1, [21], [22], {}]);
    const [first, second] = [await client.answer(wrong), await client.answer(next)];
    expect([first, second].map(({ args }) => args[0].run)).toEqual([wrong, wrong]);
  });

  it("of thousands of runs is answered, each with its own values", async () => {
    await client.load(1, increment());
    const requests = Array.from({ length: 5000 }, (_, index) =>
      client.send(
        ["run", index % 3, 1, [["inline", F32x4, 0]], [null], { fetch: 1000 }],
        [f32(index, 0, 0, 0)],
      ),
    );
    for (const [index, request] of requests.entries()) {
      const { attachments } = await client.answer(request);
      expect(floats(attachments[0])).toEqual([index + 1, 1, 1, 1]);
    }
  });

  it("fails with one error where its first part fails", async () => {
    const load = client.send(["load", 1, {}], [Uint8Array.of(1, 2, 3)]);
    const run = client.send(["run", 1, 1, [["inline", F32x4, 0]], [20], {}], [f32(1, 2, 3, 4)]);
    const get = client.send(["get", 20]);
    const errors = await Promise.all([load, run, get].map((one) => client.answer(one)));
    expect(errors.map(({ type }) => type)).toEqual(["error", "error", "error"]);
    expect(errors[0]?.args[0].code).toBe("graph_invalid");
    expect(errors[1]?.args[0]).toEqual(errors[0]?.args[0]);
    expect(errors[2]?.args[0]).toEqual(errors[0]?.args[0]);
  });
});

describe("tensors", () => {
  it("come back as they were put, of every length", async () => {
    for (const length of [0, 1, 3, 1000, 5_000_000]) {
      const bytes = new Uint8Array(length).map((_, index) => index * 7);
      const id = length + 1;
      await client.result(["put", id, ["uint8", [length]], 0], [bytes]);
      const { args, attachments } = await client.ask(["get", id]);
      expect(args[0]).toEqual({ type: ["uint8", [length]], value: 0 });
      expect(Buffer.compare(attachments[0] as Uint8Array, bytes)).toBe(0);
    }
  });

  it("keep their names to themselves: another session knows nothing of them", async () => {
    await client.result(["put", 1, F32x4, 0], [f32(1, 2, 3, 4)]);
    const other = open();
    await other.hello();
    await expect(other.result(["get", 1])).rejects.toMatchObject({ code: "tensor_unknown" });
  });

  it("are freed at the session's end", async () => {
    const before = (await client.result(["info"])).memory.active;
    await client.result(["put", 1, ["uint8", [30_000_000]], 0], [new Uint8Array(30_000_000)]);
    expect((await client.result(["info"])).memory.active).toBeGreaterThanOrEqual(
      before + 30_000_000,
    );
    session.close();
    expect(engine.info().memory.active).toBeLessThan(before + 30_000_000);
  });

  it.each([
    ["a type of 3 parts", ["put", 1, ["float32", [4], 1], 0], "message_invalid", /put's type/],
    ["an unknown dtype", ["put", 1, ["float31", [4]], 0], "message_invalid", /"float31"/],
    ["a negative size", ["put", 1, ["float32", [-4]], 0], "message_invalid", /-4/],
    ["a size that is no integer", ["put", 1, ["float32", [1.5]], 0], "message_invalid", /1\.5/],
    [
      "a shape beyond all memory",
      ["put", 1, ["float32", new Array(8).fill(2 ** 31 - 1)], 0],
      "message_invalid",
      /2\^53/,
    ],
    [
      "the wrong length",
      ["put", 1, ["float32", [5]], 0],
      "length_invalid",
      /16 bytes; expected 20/,
    ],
    ["an attachment that is not there", ["put", 1, F32x4, 1], "message_invalid", /the frame has 1/],
    ["an id below zero", ["put", -1, F32x4, 0], "message_invalid", /-1/],
    ["an id that is text", ["put", "x", F32x4, 0], "message_invalid", /"x"/],
    ["too few arguments", ["put", 1], "message_invalid", /1 arguments; expected 3/],
  ])("are refused with %s", async (_, message, code, text) => {
    const error = await client.ask(message, [f32(1, 2, 3, 4)]);
    expect(error.type).toBe("error");
    expect(error.args[0].code).toBe(code);
    expect(error.args[0].message).toMatch(text);
    expect((await client.ask(["info"])).type).toBe("ok");
  });

  it("have one name each", async () => {
    await client.result(["put", 1, F32x4, 0], [f32(1, 2, 3, 4)]);
    await expect(client.result(["put", 1, F32x4, 0], [f32(9, 9, 9, 9)])).rejects.toMatchObject({
      code: "tensor_taken",
    });
    expect(floats((await client.ask(["get", 1])).attachments[0])).toEqual([1, 2, 3, 4]);
    client.tell(["free", [1, 99]]);
    await expect(client.result(["get", 1])).rejects.toMatchObject({ code: "tensor_unknown" });
  });

  it("have a limit", async () => {
    const one = open({ tensors: 2 });
    await one.hello();
    await one.result(["put", 1, F32x4, 0], [f32(1, 2, 3, 4)]);
    await one.result(["put", 2, F32x4, 0], [f32(1, 2, 3, 4)]);
    await expect(one.result(["put", 3, F32x4, 0], [f32(1, 2, 3, 4)])).rejects.toMatchObject({
      code: "tensor_limit_exceeded",
    });
  });
});

describe("programs", () => {
  it("have one name each, and are unknown once unloaded", async () => {
    await client.load(1, increment());
    await expect(client.load(1, increment())).rejects.toMatchObject({ code: "program_taken" });
    client.tell(["unload", 1]);
    await expect(
      client.result(["run", 1, 1, [["inline", F32x4, 0]], [null]], [f32(1, 2, 3, 4)]),
    ).rejects.toMatchObject({ code: "program_unknown" });
    await client.load(1, increment());
  });

  it("finish the runs that were under way when they were unloaded", async () => {
    await client.load(1, increment());
    const runs = Array.from({ length: 20 }, () =>
      client.send(["run", 1, 1, [["inline", F32x4, 0]], [null], { fetch: 99 }], [f32(1, 2, 3, 4)]),
    );
    client.tell(["unload", 1]);
    for (const run of runs) {
      expect(floats((await client.answer(run)).attachments[0])).toEqual([2, 3, 4, 5]);
    }
    expect(await client.result(["info"])).toMatchObject({ programs: 0 });
  });

  it("say which constant is missing", async () => {
    const hash = new Uint8Array(32).fill(7);
    const attributes = { dtype: "float32", shape: [4], hash };
    const one = graph([], [{ op: "constant_by_hash", attributes }], [0]);
    await expect(client.load(1, one)).rejects.toMatchObject({ code: "constant_missing" });
    const name = Buffer.from(hash).toString("hex");
    await client.result(["put", 5, F32x4, 0], [f32(1, 2, 3, 4)]);
    await client.load(2, one, { [name]: 5 });
    client.tell(["free", [5]]);
    const { attachments } = await client.ask(["run", 1, 2, [], [null], { fetch: 16 }]);
    expect(floats(attachments[0])).toEqual([1, 2, 3, 4]);
    await expect(client.load(3, one, { xyz: 5 })).rejects.toMatchObject({
      code: "message_invalid",
    });
    await expect(client.load(4, one, { [name]: 99 })).rejects.toMatchObject({
      code: "tensor_unknown",
    });
  });

  it("bind externals by their names", async () => {
    const external = { op: "external", attributes: { dtype: "float32", shape: [4], name: "w" } };
    const one = graph([], [external], [0]);
    await expect(client.load(1, one)).rejects.toMatchObject({ code: "external_missing" });
    const results: number[][] = [];
    const hashes = new Set<string>();
    for (const tensor of [5, 6]) {
      await client.result(["put", tensor, F32x4, 0], [f32(1, 2, 3, tensor)]);
      const { hash } = await client.load(tensor, one, {}, { w: tensor });
      hashes.add(hash);
      const run = ["run", tensor, tensor, [], [null], { fetch: 16 }];
      results.push(floats((await client.ask(run)).attachments[0]));
    }
    expect(results).toEqual([
      [1, 2, 3, 5],
      [1, 2, 3, 6],
    ]);
    expect(hashes.size).toBe(1);
    await client.result(["put", 7, ["int8", [4]], 0], [Uint8Array.of(1, 2, 3, 4)]);
    await expect(client.load(7, one, {}, { w: 7 })).rejects.toMatchObject({
      code: "external_invalid",
      message: expect.stringContaining("is int8[4]; expected a tensor float32[4]"),
    });
  });
});

describe("runs", () => {
  beforeEach(() => client.load(1, increment()));

  it("name the input that has another type", async () => {
    const [main] = increment().functions;
    const named = { functions: [{ ...(main as GraphFunction), parameterNames: ["x"] }] };
    expect(await client.load(2, named)).toMatchObject({ input_names: ["x"] });
    await client.result(["put", 5, ["int32", [4]], 0], [f32(1, 2, 3, 4)]);
    for (const [program, which] of [
      [1, "input 0"],
      [2, 'input 0, "x",'],
    ]) {
      await expect(client.result(["run", 1, program, [5], [null]])).rejects.toThrow(
        `${which} is int32[4]; the program takes float32[4]`,
      );
    }
  });

  it.each([
    ["no inputs", ["run", 1, 1, [], [1]], "input_count_invalid"],
    [
      "an input of another shape",
      ["run", 1, 1, [["inline", ["float32", [2, 2]], 0]], [1]],
      "input_type_invalid",
    ],
    ["two outputs", ["run", 1, 1, [["inline", F32x4, 0]], [1, 2]], "output_count_invalid"],
    ["an unknown tensor", ["run", 1, 1, [77], [1]], "tensor_unknown"],
    ["an unknown program", ["run", 1, 9, [["inline", F32x4, 0]], [1]], "program_unknown"],
    ["an input that is text", ["run", 1, 1, ["x"], [1]], "message_invalid"],
    [
      "an unknown option",
      ["run", 1, 1, [["inline", F32x4, 0]], [1], { fech: 1 }],
      "message_invalid",
    ],
    [
      "a timeout of 0",
      ["run", 1, 1, [["inline", F32x4, 0]], [1], { timeout: 0 }],
      "message_invalid",
    ],
    [
      "a hook of a wrong policy",
      ["run", 1, 1, [["inline", F32x4, 0]], [1], { hooks: [[["all"], ["rate", -1]]] }],
      "policy_invalid",
    ],
  ])("with %s fail, and so does what they would have made", async (_, message, code) => {
    const run = client.send(message, [f32(1, 2, 3, 4)]);
    const get = client.send(["get", 1]);
    expect((await client.answer(run)).args[0].code).toBe(code);
    const { args } = await client.answer(get);
    expect(args[0].code).toBe(code === "message_invalid" ? "tensor_unknown" : code);
    const { attachments } = await client.ask(
      ["run", 1, 1, [["inline", F32x4, 0]], [null], { fetch: 16 }],
      [f32(1, 2, 3, 4)],
    );
    expect(floats(attachments[0])).toEqual([2, 3, 4, 5]);
  });

  it("fetch no value above the given size", async () => {
    const ask = (fetch: number) =>
      client.ask(["run", 1, 1, [["inline", F32x4, 0]], [null], { fetch }], [f32(1, 2, 3, 4)]);
    expect((await ask(15)).args[0].values).toEqual([null]);
    expect((await ask(16)).args[0].values).toEqual([0]);
  });

  it("fail with their operand's error, however far it comes", async () => {
    const failed = client.send(["run", 1, 1, [99], [2]]);
    const next = client.send(["run", 2, 1, [2], [3]]);
    const last = client.send(["run", 3, 1, [3], [4]]);
    const [first, ...rest] = await Promise.all(
      [failed, next, last].map((one) => client.answer(one)),
    );
    expect(first?.args[0].code).toBe("tensor_unknown");
    for (const one of rest) expect(one.args[0]).toEqual(first?.args[0]);
  });

  it("have request numbers of their own", async () => {
    // The first one waits for its input.
    client.send(["put", 900, F32x4, ["transfer", 900]]);
    client.tell(["run", 1, 1, [900], [null], {}], [], 500);
    client.tell(["run", 1, 1, [["inline", F32x4, 0]], [null], {}], [f32(1, 2, 3, 4)], 500);
    const errors = await client.find((one) => one.request === 500 && one.type === "error");
    expect(errors.args[0].code).toBe("request_taken");
  });

  it("wait for tensors that come later, in their own queue only", async () => {
    const other = open();
    await other.hello();
    await other.load(1, increment());
    other.send(["put", 1, F32x4, ["transfer", 1]]);
    const waiting = other.send(["run", 1, 1, [1], [2], {}]);
    const free = await other.ask(
      ["run", 2, 1, [["inline", F32x4, 0]], [null], { fetch: 16 }],
      [f32(1, 2, 3, 4)],
    );
    expect(floats(free.attachments[0])).toEqual([2, 3, 4, 5]);
    other.tell(["cancel", waiting, "enough"]);
    expect((await other.answer(waiting)).args[0]).toMatchObject({
      code: "cancelled",
      message: "enough",
    });
  });

  it("end by their timeout", async () => {
    client.send(["put", 1, F32x4, ["transfer", 1]]);
    const { args } = await client.ask(["run", 1, 1, [1], [2], { timeout: 20 }]);
    expect(args[0]).toMatchObject({ code: "timeout" });
    await expect(client.result(["get", 2])).rejects.toMatchObject({ code: "timeout" });
  });
});

describe("what is not a message", () => {
  it("is answered, and the session goes on", async () => {
    expect((await client.ask(["nonsense", 1])).args[0]).toMatchObject({ code: "message_unknown" });
    client.tell(["free", 5]);
    const error = await client.find((one) => one.request === 0);
    expect(error).toMatchObject({ type: "error", args: [{ code: "message_invalid" }] });
    expect((await client.ask(["info"])).type).toBe("ok");
  });

  it.each([
    ["no frame", Uint8Array.of(1, 2, 3)],
    ["a frame without a header", new Uint8Array(16)],
  ])("ends the session where it is %s", async (_, payload) => {
    client.raw(payload);
    await closed;
    expect(client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["frame_invalid", expect.any(String)],
    });
    const count = client.received.length;
    client.send(["info"]);
    expect(client.received).toHaveLength(count);
  });

  it("never does more than fail, whatever its arguments", async () => {
    const types = ["load", "put", "run", "get", "free", "cancel", "close_queue", "subscribe"];
    types.push("unsubscribe", "consumed", "reply", "reply_error", "unload", "info", "open_file");
    const leaf = fc.oneof(
      fc.constantFrom<unknown>(null, true, "float32", "inline", "transfer", "all", "every", {}, []),
      fc.integer({ min: -3, max: 30 }),
      fc.double(),
      fc.string({ maxLength: 5 }),
      fc.uint8Array({ maxLength: 17 }),
    );
    const list = fc.array(leaf, { maxLength: 4 });
    const argument = fc.oneof(leaf, list, fc.array(list, { maxLength: 3 }));
    const message = fc.tuple(fc.constantFrom(...types), fc.array(argument, { maxLength: 6 }));
    const frames = new FrameEncoder();
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 5 }), async (messages) => {
        const one = open();
        await one.hello();
        for (const [index, [type, args]] of messages.entries()) {
          const header = encode([type, ...args]);
          one.raw(Buffer.concat(frames.encode(1000 + index, header, [f32(1, 2, 3, 4)])));
        }
        expect((await one.ask(["info"])).type).toBe("ok");
        expect(one.received.filter(({ type }) => type === "bye")).toEqual([]);
        session.close();
      }),
      { numRuns: 500 },
    );
  });
});

describe("limits", () => {
  it("end a session that asks for more than may be open", async () => {
    const one = open({ requests: 3 });
    await one.hello();
    for (let id = 1; id <= 5; id++) one.send(["put", id, F32x4, ["transfer", id]]);
    await closed;
    expect(one.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["request_limit_exceeded", expect.any(String)],
    });
  });

  it("end a session that asks for more while it does not read", async () => {
    let pendingBytes = 0;
    const types: unknown[] = [];
    const one = new TestClient((payload) => slow.receive(payload));
    const connection = {
      write: (parts: Uint8Array | readonly Uint8Array[]) => {
        one.take(Buffer.concat(parts instanceof Uint8Array ? [parts] : parts));
        return true;
      },
      get pendingBytes() {
        return pendingBytes;
      },
      drain: async () => {},
      close: async () => void types.push("closed"),
    };
    const slow = new Session(host, connection);
    await one.hello();
    pendingBytes = host.limits.unreadBytes + 1;
    one.send(["info"]);
    expect(one.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["reader_too_slow", expect.any(String)],
    });
    expect(types).toEqual(["closed"]);
  });

  it("bound queues", async () => {
    const one = open({ queues: 1 });
    await one.hello();
    await one.load(1, increment());
    const run = (queue: number) =>
      one.result(["run", queue, 1, [["inline", F32x4, 0]], [null]], [f32(1, 2, 3, 4)]);
    for (let queue = 1; queue < 20; queue++) await run(queue);
    await one.load(2, asking());
    const waiting = one.send(["run", 1, 2, [["inline", F32x4, 0]], [null]], [f32(1, 2, 3, 4)]);
    await expect(run(2)).rejects.toMatchObject({ code: "queue_limit_exceeded" });
    one.tell(["close_queue", 1]);
    await run(2);
    one.tell(["cancel", waiting]);
    expect(await one.answer(waiting)).toMatchObject({ args: [{ code: "cancelled" }] });
  });

  it("bound the hooks of a run and the matches of a recording", async () => {
    const one = open({ subscriptions: 2 });
    await one.hello();
    await one.load(1, increment());
    const input = ["inline", F32x4, 0];
    const hooks = new Array(3).fill([["all"]]);
    await expect(
      one.result(["run", 1, 1, [input], [null], { hooks }], [f32(1, 2, 3, 4)]),
    ).rejects.toMatchObject({ code: "subscription_limit_exceeded", expected: "at most 2" });
    const matches = new Array(3).fill(["all"]);
    await expect(one.result(["record", 1, "/dev/null", matches])).rejects.toMatchObject({
      code: "subscription_limit_exceeded",
    });
  });
});
