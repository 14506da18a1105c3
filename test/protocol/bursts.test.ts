import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/engine/engine.js";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import type { Host } from "../../src/protocol/host.js";
import { f32, floats, type TestClient } from "../support/client.js";
import { sessionForEachTest } from "../support/each-session.js";
import { asking, graph, increment } from "../support/graphs.js";
import { openSession } from "../support/session.js";
import { itInline } from "../support/streams.js";

const F32x4 = ["float32", [4]];
const TYPE = { dtype: "float32", shape: [4] } as const;
const INLINE = ["inline", null, 0];
/** Takes a vector that cannot be inverted as a matrix: it fails when it is computed. */
const FAILING = graph(
  [{ dtype: "float32", shape: [2, 2] }],
  [{ op: "linalg.inv", inputs: [0] }],
  [1],
);

let engine: Engine;
let host: Host;
let client: TestClient;

sessionForEachTest(async (opened) => {
  ({ client, engine, host } = opened);
  await client.load(1, increment());
});

async function read(tensor: number): Promise<number[]> {
  return floats((await client.ask(["get", tensor])).attachments[0]);
}

describe("a burst", () => {
  it("is its runs, one after the other, without an answer", async () => {
    const runs = [
      [500, 1, 1, [INLINE], [10]],
      [501, 1, 1, [10], [11]],
      [502, 2, 1, [11], [null]],
      [503, 2, 1, [["inline", F32x4, 1]], [12]],
    ];
    client.tell(["runs", runs], [f32(1, 2, 3, 4), f32(5, 6, 7, 8)]);
    expect(await read(10)).toEqual([2, 3, 4, 5]);
    expect(await read(11)).toEqual([3, 4, 5, 6]);
    expect(await read(12)).toEqual([6, 7, 8, 9]);
    const numbers = client.received.map(({ request }) => request);
    expect(numbers.filter((request) => request === 0 || request >= 500)).toEqual([]);
  });

  it("fails run by run; who uses an output of one that failed is told which", async () => {
    await client.load(2, FAILING);
    const runs = [
      [500, 1, 1, [INLINE], [10]],
      [501, 1, 2, [["inline", null, 1]], [11]],
      [502, 1, 2, [11], [12]],
      [503, 1, 1, [99], [13]],
      [504, 1, 1, [10], [14]],
      [505, 1, 9, [10], [15]],
    ];
    client.tell(["runs", runs], [f32(1, 2, 3, 4), f32(0, 0, 0, 0)]);
    await expect(client.result(["get", 11])).rejects.toMatchObject({ run: 501, op: "linalg.inv" });
    await expect(client.result(["get", 12])).rejects.toMatchObject({ run: 501, op: "linalg.inv" });
    await expect(client.result(["get", 13])).rejects.toMatchObject({
      code: "tensor_unknown",
      run: 503,
    });
    await expect(client.result(["get", 15])).rejects.toMatchObject({ code: "program_unknown" });
    expect(await read(14)).toEqual([3, 4, 5, 6]);
  });

  it("answers a run whose ids are taken with an error, and takes the others", async () => {
    const runs = [
      [500, 1, 1, [INLINE], [10]],
      [501, 1, 1, [INLINE], [10]],
      [502, 1, 1, [10], [11]],
    ];
    client.tell(["runs", runs], [f32(1, 2, 3, 4)]);
    expect((await client.answer(501)).args[0]).toMatchObject({ code: "tensor_taken" });
    expect(await read(11)).toEqual([3, 4, 5, 6]);
  });

  it("refuses bytes that are too short for the parameter", async () => {
    client.tell(["runs", [[500, 1, 1, [INLINE], [10]]]], [f32(1, 2)]);
    await expect(client.result(["get", 10])).rejects.toMatchObject({
      code: "length_invalid",
      message: expect.stringContaining("float32[4] has 16 bytes, not 8"),
    });
  });

  it.each([
    ["no list", "x", "runs's runs"],
    ["a run that is none", [[500, 1, 1, [10]]], "item 0 of runs's runs"],
    ["a run with a queue that is text", [[500, "x", 1, [10], [11]]], "item 0 of runs's runs"],
    ["too many", new Array(1025).fill([1, 1, 1, [], []]), "at most 1024"],
    ["an attachment that is not there", [[500, 1, 1, [INLINE], [10]]], "an attachment's index"],
  ])("is refused whole where it is %s", async (_, runs, text) => {
    const request = client.send(["runs", runs]);
    const { type, args } = await client.answer(request);
    expect([type, args[0].code]).toEqual(["error", "message_invalid"]);
    expect(args[0].message).toContain(text);
    await expect(client.result(["get", 11])).rejects.toMatchObject({ code: "tensor_unknown" });
  });

  it("waits for a program that is being loaded", async () => {
    const nodes = Array.from({ length: 5000 }, (_, index) => ({ op: "negative", inputs: [index] }));
    const load = client.send(["load", 2], [encodeGraph(graph([TYPE], nodes, [5000]))]);
    const runs = [
      [500, 1, 1, [INLINE], [10]],
      [501, 1, 2, [10], [11]],
    ];
    client.tell(["runs", runs], [f32(1, 2, 3, 4)]);
    expect(await read(11)).toEqual([2, 3, 4, 5]);
    expect((await client.answer(load)).type).toBe("ok");
  });

  it("fails with the program that it waits for", async () => {
    const negatives = Array.from({ length: 5000 }, (_, n) => ({ op: "negative", inputs: [n] }));
    const nodes = [...negatives, { op: "reshape", inputs: [5000], attributes: { shape: [3] } }];
    client.send(["load", 2], [encodeGraph(graph([TYPE], nodes, [5001]))]);
    client.tell(["runs", [[501, 1, 2, [INLINE], [11]]]], [f32(1, 2, 3, 4)]);
    await expect(client.result(["get", 11])).rejects.toMatchObject({ op: "reshape" });
  });

  it("of a handler does not wait behind the run that calls it", async () => {
    await client.load(2, asking());
    const outer = client.send(
      ["run", 1, 2, [["inline", F32x4, 0]], [null], { fetch: 16 }],
      [f32(1, 2, 3, 4)],
    );
    const asked = await client.find(({ type }) => type === "callback");
    client.tell(["runs", [[500, 1, 1, [INLINE], [10]]], outer], [f32(1, 2, 3, 4)]);
    expect(await read(10)).toEqual([2, 3, 4, 5]);
    client.tell(["reply", outer, asked.args[0], [10]]);
    expect((await client.answer(outer)).type).toBe("ok");
  });

  it("counts each run that is not over as a request", async () => {
    const one = openSession(host, { requests: 3 });
    await one.client.hello();
    await one.client.load(1, increment());
    one.client.send(["put", 1, F32x4, ["transfer", 1]]);
    const runs = Array.from({ length: 8 }, (_, index) => [500 + index, 1, 1, [1], [10 + index]]);
    one.client.tell(["runs", runs]);
    await one.closed;
    expect(one.client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["request_limit_exceeded", expect.any(String)],
    });
  });

  itInline(
    "of small programs is computed when it is taken, and the tensors are freed",
    async () => {
      const before = engine.native.counters().tensors as number;
      const runs = Array.from({ length: 100 }, (_, index) => [
        500 + index,
        1,
        1,
        [INLINE],
        [10 + index],
      ]);
      client.tell(["runs", runs], [f32(1, 2, 3, 4)]);
      expect(engine.runsUnderWay).toBe(0);
      expect(engine.native.counters().tensors).toBe(before + 100);
      client.tell(["free", runs.map((_, index) => 10 + index)]);
      expect(engine.native.counters().tensors).toBe(before);
    },
  );
});

it("a run that is answered and whose outputs stay may be answered at once", async () => {
  const answer = await client.ask(["run", 1, 1, [INLINE], [10]], [f32(1, 2, 3, 4)]);
  expect(answer.args[0]).toEqual({ outputs: [F32x4], values: [null] });
  expect(await read(10)).toEqual([2, 3, 4, 5]);
});
