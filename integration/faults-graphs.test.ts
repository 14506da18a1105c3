import { expect, it } from "vitest";
import { encodeGraph } from "../src/graph/encoding/canonical.js";
import type { Graph } from "../src/graph/graph.js";
import { f32, floats } from "../test/support/client.js";
import { increment } from "../test/support/graphs.js";
import {
  ENDLESS,
  floatConstant,
  fn,
  graph,
  intConstant,
  node,
  program,
} from "./support/faults/programs.js";
import { describeEngines, F32x4 } from "./support/faults/subject.js";

// One engine for all that follows: nothing of it may end the engine or the session.
describeEngines((engine) => {
  const x4 = f32(1, 2, 3, 4);
  const inline = ["inline", F32x4, 0];
  const GOOD = encodeGraph(increment());
  const header = (...bytes: number[]) => Uint8Array.of(...bytes);
  /** The good graph with text in it replaced. */
  const patched = (from: string, to: string) => {
    const bytes = Buffer.from(GOOD);
    bytes.write(to, bytes.indexOf(from), "latin1");
    return bytes;
  };
  /** A graph's beginning, up to its functions, which follow. */
  const functions = (...bytes: number[]) =>
    Buffer.concat([
      Buffer.of(0x82, 0xa5),
      Buffer.from("davit"),
      Buffer.of(1, 0xa9),
      Buffer.from("functions"),
      Buffer.from(bytes),
    ]);

  it.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(), "graph_invalid"],
    ["noise", Buffer.from("this is not a graph"), "graph_invalid"],
    ["a graph cut off", GOOD.subarray(0, GOOD.length - 3), "graph_invalid"],
    ["a graph that goes on", Buffer.concat([GOOD, GOOD]), "graph_invalid"],
    ["a hundred thousand nested arrays", new Uint8Array(100_000).fill(0x91), "graph_invalid"],
    ["nested functions", functions(...new Array(50_000).fill(0x91)), "graph_invalid"],
    ["an array of 4 billion", functions(0xdd, 255, 255, 255, 255), "graph_invalid"],
    ["a map of 4 billion", header(0xdf, 255, 255, 255, 255), "graph_invalid"],
    ["text of 4 billion", header(0x81, 0xdb, 255, 255, 255, 255), "graph_invalid"],
    ["another version", patched("davit\u0001", "davit\u0002"), "version_unsupported"],
    ["text that is no UTF-8", patched("main", "m\u00ffin"), "graph_invalid"],
    ["an op that is not there", patched("add", "adx"), "op_unknown"],
    ["a dtype that is not there", patched("float32", "float33"), "attribute_invalid"],
  ])("refuses %s instead of a graph", async (_, bytes, code) => {
    await engine.expectError(await engine.load(bytes), code);
  });

  const x = "float32[4]";
  const one = (...nodes: ReturnType<typeof node>[]) => program([x], nodes, [nodes.length]);
  const calls = (count: number, twice: boolean) =>
    graph(
      ...Array.from({ length: count }, (_, index) => {
        const call = (value: number) => node("call", [value], { function: index + 1 });
        const last = index === count - 1;
        if (last) return fn([x], [node("negative", [0])], [1], "last");
        return fn([x], twice ? [call(0), call(1)] : [call(0)], [twice ? 2 : 1], `f${index}`);
      }),
    );

  it.each<[string, () => Graph, string]>([
    ["a node that takes its own output", () => one(node("exp", [1])), "value_unknown"],
    ["a cycle of two nodes", () => one(node("exp", [2]), node("exp", [1])), "value_unknown"],
    [
      "a function that calls itself",
      () => one(node("call", [0], { function: 0 })),
      "function_recursive",
    ],
    [
      "a function that is not there",
      () => one(node("call", [0], { function: 9 })),
      "function_unknown",
    ],
    ["too few operands", () => one(node("add", [0])), "arity_invalid"],
    ["too many operands", () => one(node("exp", [0, 0, 0])), "arity_invalid"],
    [
      "outputs that it does not have",
      () => one(node("exp", [0], {}, { outputs: 3 })),
      "output_count_invalid",
    ],
    ["a result that is not there", () => program([x], [], [7]), "value_unknown"],
    [
      "shapes that do not fit",
      () => program([x, "float32[3]"], [node("add", [0, 1])], [2]),
      "op_refused",
    ],
    [
      "a predicate that is no bool",
      () => graph(fn([x], [node("cond", [0, 0], branches(1, 1))], [1]), fn([x], [], [0])),
      "type_mismatched",
    ],
    [
      "branches of different results",
      () =>
        graph(
          fn(["bool[]", x], [node("cond", [0, 1], branches(1, 2))], [2]),
          fn([x], [], [0]),
          fn([x], [node("sum", [0])], [1]),
        ),
      "type_mismatched",
    ],
    [
      "a carry that changes its shape",
      () =>
        graph(
          fn([x], [node("for", [0], { body: 1, count: 3 })], [1]),
          fn(["int32[]", x], [node("concatenate", [1, 1], { axis: 0 })], [2]),
        ),
      "type_mismatched",
    ],
    [
      "a carry that changes its dtype",
      () =>
        graph(
          fn([x], [node("for", [0], { body: 1, count: 3 })], [1]),
          fn(["int32[]", x], [node("astype", [1], { dtype: "int8" })], [2]),
        ),
      "type_mismatched",
    ],
    [
      "a constant that nobody gave",
      () =>
        one(
          node("constant_by_hash", [], { dtype: "float32", shape: [4], hash: new Uint8Array(32) }),
        ),
      "constant_missing",
    ],
    [
      "an external that nobody gave",
      () => one(node("external", [], { dtype: "float32", shape: [4], name: "w" })),
      "external_missing",
    ],
    [
      "a constant shorter than its shape",
      () => one(node("constant", [], { dtype: "float32", shape: [5], data: new Uint8Array(16) })),
      "constant_invalid",
    ],
    [
      "a size below zero",
      () => one(node("zeros", [], { shape: [-1], dtype: "int8" })),
      "attribute_invalid",
    ],
    [
      "a value beyond all memory",
      () => one(node("zeros", [], { shape: new Array(4).fill(2 ** 31 - 1), dtype: "int8" })),
      "value_too_large",
    ],
    [
      "a value beyond the memory limit",
      () => one(node("broadcast_to", [0], { shape: [2 ** 28, 4] }), node("negative", [1])),
      "value_too_large",
    ],
    [
      "33 dimensions",
      () => one(node("zeros", [], { shape: new Array(33).fill(1), dtype: "int8" })),
      "limit_exceeded",
    ],
    [
      "a range without an end",
      () => one(node("arange", [], { start: 0, stop: 1e18 })),
      "value_too_large",
    ],
    [
      "59 million values in a few nodes",
      () =>
        program(
          ["float32[0]"],
          new Array(900).fill({
            ...node("split", [0], { axis: 0, sections: 65_536 }),
            outputs: 65_536,
          }),
          [0],
        ),
      "limit_exceeded",
    ],
    [
      "a product of a thousand operands",
      () => {
        const subscripts = `${new Array(1000).fill("i").join()}->i`;
        return one(node("einsum", new Array(1000).fill(0), { subscripts }));
      },
      "arity_invalid",
    ],
    [
      "a grid of very many axes",
      () => one(node("meshgrid", new Array(60_000).fill(0), {}, { outputs: 60_000 })),
      "arity_invalid",
    ],
    ["a hundred thousand nodes and one", () => chain(100_001), "limit_exceeded"],
    ["ten thousand functions and one", () => calls(10_001, false), "limit_exceeded"],
    ["calls that double 40 times", () => calls(40, true), "limit_exceeded"],
    [
      "a label of a megabyte",
      () => one(node("exp", [0], {}, { label: "x".repeat(2 ** 20) })),
      "limit_exceeded",
    ],
  ])("refuses %s", async (_, make, code) => {
    await engine.expectError(await engine.load(make()), code);
  });

  /** A long chain: x + 1 + 1 … */
  function chain(length: number): Graph {
    const nodes = [floatConstant([], 1)];
    for (let index = 1; index < length; index++) {
      nodes.push(node("add", [index === 1 ? 0 : index, 1]));
    }
    return program([x], nodes, [length]);
  }

  // biome-ignore lint/suspicious/noThenProperty: the name of an attribute
  const branches = (yes: number, no: number) => ({ else: no, then: yes });

  it.each<[string, () => Graph, number[]]>([
    ["a chain of 100,000 nodes", () => chain(100_000), [100_000, 100_001, 100_002, 100_003]],
    ["calls 9,999 deep", () => calls(9999, false), [-1, -2, -3, -4]],
    [
      "2,000 operands",
      () => one(node("concatenate", new Array(2000).fill(0), { axis: 0 }), node("max", [1])),
      [4],
    ],
  ])("runs %s", { timeout: 120_000 }, async (_, make, expected) => {
    const { program, type, args, attachments } = await engine.run(make());
    expect([type, args[0].message]).toEqual(["ok", undefined]);
    expect(floats(attachments[0])).toEqual(expected);
    engine.client.tell(["unload", program]);
    await engine.expectAlive();
  });

  const zeros = () => node("zeros", [], { shape: [2, 2], dtype: "float32" });
  it.each<[string, () => Graph, string]>([
    [
      "more memory than there may be",
      () =>
        program(
          [x],
          [
            node("arange", [], { start: 0, stop: 2 ** 27 }),
            node("negative", [1]),
            node("square", [1]),
          ],
          [1, 2, 3],
        ),
      "memory_exhausted",
    ],
    ["the inverse of a singular matrix", () => one(zeros(), node("linalg.inv", [1])), "mlx_failed"],
  ])("fails a run that needs %s", async (_, make, code) => {
    await engine.expectError(await engine.run(make()), code);
  });

  it("ends a loop that does not end, by its timeout and by a cancel", async () => {
    const { program, ...answer } = await engine.run(ENDLESS, { timeout: 50 });
    await engine.expectError(answer, "timeout");
    const { client } = engine;
    const request = client.send(["run", 1, program, [inline], [null]], [x4]);
    client.tell(["cancel", request, "enough"]);
    await engine.expectError(await client.answer(request), "cancelled");
  });

  it.each<[string, () => Graph, unknown]>([
    [
      "the smallest integer by -1",
      () => one(intConstant(-(2 ** 31)), intConstant(-1), node("floor_divide", [1, 2])),
      -(2 ** 31),
    ],
    ["an integer by 0", () => one(intConstant(7), intConstant(0), node("floor_divide", [1, 2])), 0],
    [
      "the remainder of the smallest integer by -1",
      () => one(intConstant(-(2 ** 31)), intConstant(-1), node("remainder", [1, 2])),
      0,
    ],
    ["the remainder by 0", () => one(intConstant(7), intConstant(0), node("remainder", [1, 2])), 7],
    [
      "an element far behind the end",
      () => one(intConstant(1, 2, 3), intConstant(2 ** 31 - 1), node("take", [1, 2], { axis: 0 })),
      3,
    ],
    [
      "an element far before the beginning",
      () => one(intConstant(1, 2, 3), intConstant(-(2 ** 31)), node("take", [1, 2], { axis: 0 })),
      1,
    ],
  ])("computes %s as the documentation says", async (_, make, expected) => {
    const { type, args, attachments } = await engine.run(make());
    expect([type, args[0].message]).toEqual(["ok", undefined]);
    expect(new Int32Array(Uint8Array.from(attachments[0] ?? []).buffer)[0]).toBe(expected);
    await engine.expectAlive();
  });
});
