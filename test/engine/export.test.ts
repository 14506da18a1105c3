import { afterAll, beforeAll, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { exportGraph } from "../../src/engine/export.js";
import { encodeGraph, graphHash, hashBytes } from "../../src/graph/canonical.js";
import { decodeGraph } from "../../src/index.js";
import { mx } from "../../src/trace/index.js";

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
  const values = new Map([...constants].map(([hash, tensor]) => [hash, tensor.value]));
  const run = engine.run(engine.load(again, values), [x]);
  expect(await run.outputs[0]?.toArray()).toEqual([21, 61]);
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
