import { afterAll, beforeAll, expect, it } from "vitest";
import type { Argument } from "../../src/engine/arguments.js";
import { Engine } from "../../src/engine/engine.js";
import { exportGraph } from "../../src/engine/export.js";
import { encodeGraph, graphHash, hashBytes } from "../../src/graph/encoding/canonical.js";
import { decodeGraph } from "../../src/index.js";
import { mx, type Traced, type Tree } from "../../src/trace/index.js";
import { flatten } from "../../src/trace/tree.js";

let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 1 });
});
afterAll(() => engine.close());

it("names captured tensors by the hash of their bytes, and runs again from its bytes", async () => {
  const weights = engine.tensor(new Float32Array([10, 20]));
  const sum = await engine.jit((x) => mx.add(x, 1))(weights); // computed, not given
  const f = engine.jit((x) => mx.add(mx.multiply(x, weights), sum));
  const x = engine.tensor(new Float32Array([1, 2]));
  const { graph, constants } = await exportGraph(f.trace(x));
  expect([...constants.keys()]).toEqual([
    hashBytes(await weights.bytes()),
    hashBytes(await sum.bytes()),
  ]);

  const again = decodeGraph(encodeGraph(graph));
  const run = engine.run(engine.load(again, { constants }), [x]);
  expect(await run.outputs[0]?.toArray()).toEqual([21, 61]);
});

it("the hash of a program says nothing of a captured tensor, that of its export does", async () => {
  const hashes = async (number: number) => {
    const tensor = engine.tensor(new Float32Array([number]));
    const f = engine.jit((x) => mx.add(x, tensor));
    const exported = await exportGraph(f.trace([0]));
    return [f.program([0]).hash, graphHash(exported.graph)] as const;
  };
  const [one, two] = [await hashes(1), await hashes(2)];
  expect(one[0]).toBe(two[0]);
  expect(one[1]).not.toBe(two[1]);
});

it("gives equal programs the same name, whatever came before", async () => {
  const named = async (...numbers: number[]) => {
    const tensors = numbers.map((number) => engine.tensor(new Float32Array([number])));
    const f = engine.jit((x) => tensors.reduce((y, tensor) => mx.add(y, tensor), mx.negative(x)));
    return graphHash((await exportGraph(f.trace([0]))).graph);
  };
  expect(await named(1, 2)).toBe(await named(1, 2));
  expect(await named(1, 2)).not.toBe(await named(2, 1));
  expect(await named(1, 1)).not.toBe(await named(1, 2));
});

it("names parameters by the keys of object arguments, or as it is told", async () => {
  const x = engine.tensor(new Float32Array([1, 2]));
  const f = engine.jit((p: Tree<Traced>, y?: Tree<Traced>) => {
    const leaves = flatten<Traced>([p, y ?? []]).leaves;
    return leaves.reduce((sum, leaf) => mx.add(sum, leaf));
  });
  const named = async (args: Argument[], names?: string[]) => {
    const { graph } = await exportGraph(f.trace(...args), names === undefined ? {} : { names });
    const back = decodeGraph(encodeGraph(graph));
    expect(graphHash(engine.load(back).graph)).toBe(graphHash(graph));
    return back.functions[0]?.parameterNames;
  };
  expect(await named([{ x, w: [x, { b: x }] }])).toEqual(["w.0", "w.1.b", "x"]);
  expect(await named([{ x }, { y: x }])).toEqual(["x", "y"]);
  // An argument without a name, a name twice, an empty one.
  for (const args of [[x], [[x]], [{ x }, x], [{ x }, { x }], [{ "": x }]]) {
    expect(await named(args)).toBeUndefined();
  }
  expect(await named([{ x }, [x, x]], ["p", "y"])).toEqual(["p.x", "y.0", "y.1"]);
  expect(await named([x], ["größe"])).toEqual(["größe"]);
});

it("refuses names that do not fit the arguments", async () => {
  const f = engine.jit((p: { a?: Traced; b?: { a: Traced } }, x: Traced) => {
    return mx.add(p.a ?? p.b?.a ?? x, x);
  });
  const traced = f.trace({ a: [1] }, [1]);
  const refused = (names: string[], message: RegExp) =>
    expect(exportGraph(traced, { names })).rejects.toMatchObject({
      code: "graph_invalid",
      message: expect.stringMatching(message),
    });
  await refused(["x"], /are \["x"\]; expected one for each of 2 arguments/);
  await refused(["p", ""], /are \["p", ""\]/);
  await refused(["x", "x.a"], /parameters 0 and 1 are both named "x.a"/);
});
