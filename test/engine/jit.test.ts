import { afterAll, describe, expect, it } from "vitest";
import {
  DavitError,
  Engine,
  type Event,
  forLoop,
  hook,
  label,
  mx,
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
    const seen: Event[] = [];
    f.on("doubled", (event) => seen.push(event));
    const { y } = await f([1, 2, 3]);
    expect(seen).toHaveLength(1);
    expect(seen[0]?.value).toEqual(new Float32Array([2, 4, 6]));
    expect(await y.toArray()).toBe(12);
  });

  it("loops, with captured values", async () => {
    const f = engine.jit((x: Traced, step: Traced) =>
      forLoop(10, x, (state, i) =>
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
    const { callback } = await import("../../src/index.js");
    const inner = engine.jit((x: Traced) => mx.add(x, 100));
    const f = engine.jit((x: Traced) => {
      const [y] = callback(x, async (v) => inner(v as never), [{ dtype: "float32", shape: [2] }]);
      return mx.multiply(y as Traced, 2);
    });
    expect(await (await f([1, 2])).toArray()).toEqual([202, 204]);
  });

  it("takes and gives trees", async () => {
    const f = engine.jit((params: { w: Traced; layers: Traced[] }, x: Traced) => ({
      sum: mx.add(params.w, x),
      all: params.layers.map((layer) => mx.multiply(layer, x)),
      constant: 3,
    }));
    const layer = engine.tensor([1, 2]);
    const { sum, all, constant } = await f({ w: 1, layers: [layer, layer] }, [10, 20]);
    expect(await sum.toArray()).toEqual([11, 21]);
    expect(await Promise.all(all.map((tensor) => tensor.toArray()))).toEqual([
      [10, 40],
      [10, 40],
    ]);
    expect(await constant.toArray()).toBe(3);
  });

  it("traces once for each combination of types and trees", async () => {
    let traced = 0;
    const f = engine.jit((x: Traced | { a: Traced }) => {
      traced++;
      return mx.exp("a" in x ? x.a : x);
    });
    await f([1, 2]);
    await f([3, 4]);
    expect(traced).toBe(1);
    await f([1, 2, 3]);
    await f(new Int32Array([1, 2]));
    await f({ a: [1, 2] });
    expect(traced).toBe(4);
    await f({ a: [5, 6] });
    expect(traced).toBe(4);
    expect(f.program([1, 2])).toBe(f.program([7, 8]));
  });

  it("gives an argument back that it was given", async () => {
    const f = engine.jit((x: Traced, y: Traced) => [y, x, x]);
    const [y, x, again] = await f([1], [2]);
    expect(await Promise.all([x, y, again].map((tensor) => tensor?.toArray()))).toEqual([
      [1],
      [2],
      [1],
    ]);
  });

  it("refuses what is no argument", async () => {
    const f = engine.jit((x: Traced) => x);
    await expect(f("text" as never)).rejects.toThrow(
      /an argument is "text"; expected a tensor, numbers/,
    );
    const closed = engine.tensor(1);
    closed.dispose();
    await expect(f(closed)).rejects.toMatchObject({ code: "tensor_freed" });
  });

  it("passes on what the function throws, and traces again", async () => {
    const wrong = new Error("not now");
    let fails = true;
    const f = engine.jit((x: Traced) => {
      if (fails) throw wrong;
      return mx.add(x, 1);
    });
    await expect(f(1)).rejects.toBe(wrong);
    fails = false;
    expect(await (await f(1)).toArray()).toBe(2);
  });

  it("is cancelled by a signal", async () => {
    const f = engine.jit((x: Traced) =>
      whileLoop(
        x,
        (s) => mx.greater_equal(s, 0),
        (s) => mx.multiply(s, 1),
      ),
    );
    const controller = new AbortController();
    const run = f.with({ signal: controller.signal }, 1);
    controller.abort(new Error("enough"));
    await expect(run).rejects.toMatchObject({ code: "cancelled" });
  });

  it("concurrent runs do not mix", async () => {
    const f = engine.jit((x: Traced) => forLoop(20, x, (s) => hook(mx.add(s, 1), "step")));
    const seen = new Map<number, number[]>();
    const watch = f.on("step", ({ run, value }) => {
      seen.set(run, [...(seen.get(run) ?? []), (value as Float32Array)[0] as number]);
    });
    const results = await Promise.all(Array.from({ length: 10 }, (_, k) => f(100 * k)));
    watch.close();
    expect(await Promise.all(results.map((tensor) => tensor.toArray()))).toEqual(
      Array.from({ length: 10 }, (_, k) => 100 * k + 20),
    );
    const sequences = [...seen.values()].sort((a, b) => (a[0] as number) - (b[0] as number));
    expect(sequences).toEqual(
      Array.from({ length: 10 }, (_, k) => Array.from({ length: 20 }, (_, i) => 100 * k + i + 1)),
    );
  });

  it("shows its graph with labels", () => {
    const f = engine.jit(function network(x: Traced) {
      return label("encoder", () => label("0", () => mx.tanh(mx.add(x, 1))));
    });
    const { graph } = f.trace([1, 2]);
    expect(graph.functions[0]?.name).toBe("network");
    expect(graph.functions[0]?.nodes.map((node) => node.label)).toEqual([
      undefined,
      "encoder.0.add",
      "encoder",
    ]);
    expect(f.program([1, 2]).sites.map((site) => site.label)).toEqual(["encoder.0.add", "encoder"]);
  });
});
