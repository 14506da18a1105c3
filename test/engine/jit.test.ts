import { afterAll, describe, expect, it } from "vitest";
import {
  DavitError,
  Engine,
  type Firing,
  hook,
  label,
  mx,
  repeat,
  type Traced,
  whileLoop,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 2 });
afterAll(() => engine.close());

describe("jit", () => {
  it("computes", async () => {
    const f = engine.jit((x: Traced) => mx.add(x, 1));
    expect(await (await f([1, 2, 3])).toArray()).toEqual([2, 3, 4]);
  });

  it("streams hooks before the result", async () => {
    const f = engine.jit((x: Traced) => {
      const h = hook(mx.multiply(x, 2), "doubled");
      return { y: mx.sum(h), h };
    });
    const seen: Firing[] = [];
    f.on("doubled", (event) => seen.push(event));
    const { y } = await f([1, 2, 3]);
    expect(seen).toHaveLength(1);
    expect(seen[0]?.value).toEqual(new Float32Array([2, 4, 6]));
    expect(await y.toArray()).toBe(12);
  });

  it("loops, with captured values", async () => {
    const f = engine.jit((x: Traced, step: Traced) =>
      repeat(10, x, (state, i) =>
        mx.add(state, mx.multiply(step, mx.astype(i, { dtype: "float32" }))),
      ),
    );
    expect(await (await f([0, 1], 2)).toArray()).toEqual([90, 91]);
    const g = engine.jit((x: Traced) =>
      whileLoop(
        { x, n: 0 },
        ({ x }) => mx.less(mx.max(x), 100),
        ({ x, n }) => ({ x: mx.multiply(x, 2), n: mx.add(n, 1) }),
      ),
    );
    const { x, n } = await g([1, 3]);
    expect(await x.toArray()).toEqual([64, 192]);
    expect(await n.toArray()).toBe(6);
  });

  it("names op, label and shapes in errors", async () => {
    const f = engine.jit((x: Traced) => label("layer", () => mx.matmul(x, x)));
    await expect(f([[1, 2, 3]])).rejects.toThrow(DavitError);
    await expect(f([[1, 2, 3]])).rejects.toThrow(/matmul.*float32\[1, 3\].*layer/s);
  });

  it("captures tensors as constants", async () => {
    const w = engine.tensor([10, 20]);
    const f = engine.jit((x: Traced) => mx.add(x, w));
    expect(await (await f([1, 2])).toArray()).toEqual([11, 22]);
  });

  it("hands values to functions and goes on with what they return", async () => {
    const { call } = await import("../../src/index.js");
    const inner = engine.jit((x: Traced) => mx.add(x, 100));
    const f = engine.jit((x: Traced) => {
      const [y] = call(async (v) => inner(v as never), x, [{ dtype: "float32", shape: [2] }]);
      return mx.multiply(y as Traced, 2);
    });
    expect(await (await f([1, 2])).toArray()).toEqual([202, 204]);
  });
});
