import { describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { encodeGraph, hashBytes } from "../../src/graph/encoding/canonical.js";
import type { Graph, GraphNode } from "../../src/graph/graph.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import type { Session } from "../../src/protocol/session.js";
import { f32, floats, type TestClient } from "../support/client.js";
import { sessionForEachTest } from "../support/each-session.js";
import { constant, graph, increment } from "../support/graphs.js";
import { openSession } from "../support/session.js";

const F32x4 = ["float32", [4]] as const;
const TYPE = { dtype: "float32", shape: [4] } as const;
/** Takes many turns to load. */
const NODES = 5_000;

let host: Host;
let client: TestClient;
let session: Session;

sessionForEachTest((opened) => {
  ({ client, host, session } = opened);
});

/** x + NODES, by ones. `last` comes at the end. */
function large(last: Partial<GraphNode> = {}): Uint8Array {
  const nodes: (Partial<GraphNode> & Pick<GraphNode, "op">)[] = [constant(1)];
  for (let index = 1; index <= NODES; index++) {
    nodes.push({ op: "add", inputs: [index === 1 ? 0 : index, 1] });
  }
  nodes.push({ op: "negative", inputs: [NODES + 1], ...last });
  return encodeGraph(graph([TYPE], nodes, [NODES + 2]));
}

const LARGE = large();
const NEGATED = [-NODES - 1, -NODES - 2, -NODES - 3, -NODES - 4];

const load = (program: number, bytes = LARGE) => client.send(["load", program, {}, {}], [bytes]);
const run = (program: number, input: unknown, output: number | null, options: object = {}) =>
  client.send(
    ["run", 1, program, [input], [output], { fetch: 1000, ...options }],
    typeof input === "number" ? [] : [f32(1, 2, 3, 4)],
  );
const inline = ["inline", F32x4, 0];
const answered = (request: number) =>
  client.received.findIndex((one) => one.request === request && one.type !== "events");

describe("while a large program is loaded", () => {
  it("a burst that depends on it is in order", async () => {
    await client.load(2, increment());
    const loaded = load(1);
    const first = run(1, inline, 10);
    const second = run(2, 10, 11);
    const value = client.send(["get", 10]);
    client.tell(["free", [10, 11]]);
    client.tell(["unload", 1]);
    client.tell(["close_queue", 1]);
    const late = run(1, inline, null);
    // Nothing of it is there yet.
    expect([loaded, first, second, value, late].map(answered)).toEqual(new Array(5).fill(-1));
    expect(floats((await client.answer(first)).attachments[0])).toEqual(NEGATED);
    const incremented = NEGATED.map((x) => x + 1);
    expect(floats((await client.answer(second)).attachments[0])).toEqual(incremented);
    expect(floats((await client.answer(value)).attachments[0])).toEqual(NEGATED);
    expect((await client.answer(late)).args[0]).toMatchObject({ code: "program_unknown" });
    expect(answered(loaded)).toBeLessThan(answered(first));
    expect(await client.result(["info"])).toMatchObject({ tensors: 0, programs: 1 });
  });

  it("other sessions, and what does not depend on it, go on", async () => {
    await client.load(2, increment());
    const other = openSession(host);
    await other.client.hello();
    const loaded = load(1);
    const own = client.send(["run", 9, 2, [inline], [null], { fetch: 1000 }], [f32(1, 2, 3, 4)]);
    await client.answer(own);
    await other.client.load(1, increment());
    const message = ["run", 1, 1, [inline], [null], { fetch: 1000 }];
    const { attachments } = await other.client.ask(message, [f32(1, 2, 3, 4)]);
    expect(floats(attachments[0])).toEqual([2, 3, 4, 5]);
    expect(answered(loaded)).toBe(-1);
    expect((await client.answer(loaded)).type).toBe("ok");
    other.session.close();
  });

  it("runs of one queue stay in order, and a second load waits for the first", async () => {
    await client.load(2, increment());
    const loaded = load(1);
    const requests = [run(1, inline, 10), run(2, inline, 11), load(3), run(3, 11, 12)];
    await Promise.all(requests.map((request) => client.answer(request)));
    const places = [loaded, ...requests].map(answered);
    expect(places[0]).toBeLessThan(places[1] as number);
    expect(places[1]).toBeLessThan(places[2] as number);
    expect(places[3]).toBeLessThan(places[4] as number);
  });

  it("what names a tensor that a run is given for good waits for the run", async () => {
    client.send(["put", 10, F32x4, 0], [f32(1, 2, 3, 4)]);
    const loaded = load(1);
    const given = run(1, 10, 11, { donate: [0] });
    const late = client.send(["get", 10]);
    expect([loaded, given, late].map(answered)).toEqual([-1, -1, -1]);
    expect(floats((await client.answer(given)).attachments[0])).toEqual(NEGATED);
    expect((await client.answer(late)).args[0]).toMatchObject({ code: "tensor_unknown" });
  });

  it("its constants may be freed at once", async () => {
    const bytes = f32(1, 2, 3, 4);
    const nodes: Graph["functions"][0]["nodes"] = Array.from({ length: NODES }, (_, index) =>
      index === 0
        ? {
            op: "constant_by_hash",
            inputs: [],
            attributes: { ...TYPE, hash: Buffer.from(hashBytes(bytes), "hex") },
            outputs: 1,
          }
        : { op: "negative", inputs: [index - 1], attributes: {}, outputs: 1 },
    );
    const encoded = encodeGraph({
      functions: [{ name: "main", parameters: [], nodes, results: [NODES - 1] }],
    });
    client.send(["put", 10, F32x4, 0], [bytes]);
    client.send(["load", 1, { [hashBytes(bytes)]: 10 }, {}], [encoded]);
    client.tell(["free", [10]]);
    const { attachments } = await client.ask(["run", 1, 1, [], [null], { fetch: 1000 }]);
    expect(floats(attachments[0])).toEqual([-1, -2, -3, -4]);
    expect(await client.result(["info"])).toMatchObject({ tensors: 0 });
  });

  it("its error is that of all that depends on it", async () => {
    const loaded = load(1, large({ inputs: [0], op: "matmul" } as never));
    const wrong = load(2, large({ op: "reshape", attributes: { shape: [3] } }));
    const first = run(2, inline, 10);
    const value = client.send(["get", 10]);
    expect((await client.answer(loaded)).args[0]).toMatchObject({ code: "arity_invalid" });
    const { args } = await client.answer(wrong);
    expect(args[0]).toMatchObject({ code: "shape_invalid", op: "reshape" });
    expect((await client.answer(first)).args).toEqual(args);
    expect((await client.answer(value)).args).toEqual(args);
  });

  it("it can be cancelled, and so can what waits for it", async () => {
    const loaded = load(1);
    const cancelled = run(1, inline, 10);
    const value = client.send(["get", 10]);
    const late = run(1, inline, 11, { timeout: 1 });
    client.tell(["cancel", cancelled, "not needed"]);
    expect((await client.answer(cancelled)).args[0]).toMatchObject({
      code: "cancelled",
      message: "not needed",
    });
    expect((await client.answer(value)).args[0]).toMatchObject({ code: "cancelled" });
    expect((await client.answer(late)).args[0]).toMatchObject({ code: "timeout" });
    const other = run(1, inline, 12);
    expect(answered(loaded)).toBe(-1);
    client.tell(["cancel", loaded, "too large"]);
    for (const request of [loaded, other]) {
      expect((await client.answer(request)).args[0]).toMatchObject({
        code: "cancelled",
        message: "too large",
      });
    }
    expect(await client.result(["info"])).toMatchObject({ programs: 0 });
  });

  it("a run that waits has what is left of its timeout", async () => {
    load(1);
    const waited = run(1, inline, null, { timeout: 2 ** 31 - 1 });
    expect(floats((await client.answer(waited)).attachments[0])).toEqual(NEGATED);
  });

  it("the session may end", async () => {
    load(1);
    run(1, inline, null, { timeout: 1000 });
    session.close();
    const other = openSession(host);
    await other.client.hello();
    await other.client.load(1, increment());
    other.session.close();
    expect(client.received.filter(({ type }) => type === "error")).toEqual([]);
  });

  it("what waits for it has a limit", async () => {
    const small = openSession(host, { heldBytes: LARGE.length + 1000 });
    await small.client.hello();
    small.client.send(["load", 1, {}, {}], [LARGE]);
    small.client.send(["load", 2, {}, {}], [LARGE]);
    for (let count = 0; count < 4; count++) small.client.tell(["unload", 1]);
    await small.closed;
    expect(small.client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["request_limit_exceeded", expect.stringContaining("wait for a program to be loaded")],
    });
  });
});

describe("the budget of a load", () => {
  it("is an error of the request, and of an engine in this process", async () => {
    const hasty = Engine.create({ lanes: 1, loadTimeout: 1 });
    const error = { code: "timeout", expected: "at most 1 ms, the engine option loadTimeout" };
    const nodes = Array.from({ length: NODES }, (_, index) => ({ op: "sin", inputs: [index] }));
    expect(() => hasty.load(graph([TYPE], nodes, [NODES]))).toThrow(expect.objectContaining(error));
    const { client: one, session: short } = openSession(createHost(hasty));
    await one.hello();
    const { args } = await one.ask(["load", 1, {}, {}], [LARGE]);
    expect(args[0]).toMatchObject(error);
    short.close();
    await hasty.close();
  });
});
