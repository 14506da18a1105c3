import { describe, expect, it } from "vitest";
import { readSites } from "../../src/client/events.js";
import type { Graph } from "../../src/graph/graph.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import { f32, type TestClient } from "../support/client.js";
import { sessionForEachTest } from "../support/each-session.js";
import { customCall, graph, increment } from "../support/graphs.js";

const MOST = 64 * 1024;
const F32x4: TensorType = { dtype: "float32", shape: [4] };

let client: TestClient;

sessionForEachTest(
  (opened) => {
    ({ client } = opened);
  },
  { maxFrameBytes: MOST },
);

/** A chain of labelled nodes in a function of this name. */
function labelled(count: number, name: string): Graph {
  const nodes = Array.from({ length: count }, (_, index) => ({
    op: "negative",
    inputs: [index],
    attributes: {},
    outputs: 1,
    label: `layer.${index}`,
  }));
  return { functions: [{ name, parameters: [F32x4], nodes, results: [count] }] };
}

describe("the answer to load", () => {
  it("tells a function's name and a type once", async () => {
    const name = "f".repeat(4000);
    const answer = await client.load(1, labelled(500, name));
    expect(answer).toMatchObject({ functions: [name], types: [["float32", [4]]] });
    expect(readSites(answer)[499]).toMatchObject({
      function: name,
      label: "layer.499",
      types: [{ dtype: "float32", shape: [4] }],
    });
  });

  it("is an error where it does not fit in a frame, and the session goes on", async () => {
    await expect(client.load(1, labelled(1500, "main"))).rejects.toMatchObject({
      code: "value_too_large",
      expected: `${MOST} bytes`,
    });
    const run = ["run", 1, 1, [["inline", ["float32", [4]], 0]], [null], {}];
    await expect(client.result(run, [f32(1, 2, 3, 4)])).rejects.toMatchObject({
      code: "value_too_large",
    });
    expect(await client.result(["info"])).toMatchObject({ programs: 0 });
    await client.load(2, increment());
  });
});

describe("an event", () => {
  it("leaves out the values beyond half of a frame", async () => {
    const type: TensorType = { dtype: "float32", shape: [1000] };
    const hook = customCall("hook", "many", new Array(20).fill(0));
    await client.load(1, graph([type], [hook], [1]));
    const request = client.send(
      ["run", 1, 1, [["inline", ["float32", [1000]], 0]], [null], { hooks: [[["all"]]] }],
      [new Uint8Array(4000)],
    );
    expect((await client.answer(request)).type).toBe("ok");
    const { args } = await client.find(({ type }) => type === "events");
    const values = args[0][0][6] as unknown[];
    expect(values.slice(0, 8).every((value) => value instanceof Uint8Array)).toBe(true);
    expect(values.slice(8)).toEqual(new Array(12).fill(["omitted", 4000]));
  });

  it("leaves out the summaries beyond half of a frame", async () => {
    const hook = customCall("hook", "many", new Array(20).fill(0));
    await client.load(1, graph([F32x4], [hook], [1]));
    const hooks = [[["all"], "every", ["summary", 4096]]];
    const request = client.send(
      ["run", 1, 1, [["inline", ["float32", [4]], 0]], [null], { hooks }],
      [f32(1, 2, 3, 4)],
    );
    expect((await client.answer(request)).type).toBe("ok");
    const { args } = await client.find(({ type }) => type === "events");
    expect(args[0][0][6]).toEqual(new Array(20).fill(["omitted", 8 * (7 + 4096)]));
  });
});
