import { afterAll, describe, expect, it } from "vitest";
import { Engine, forLoop, hook, mx, type Traced, whileLoop } from "../../../src/index.js";
import { ownKernels } from "../../support/kernels.js";

const engine = Engine.create({ lanes: 2 });
afterAll(() => engine.close());

/** More than a batch of iterations. */
const MANY = 3000;

describe("loops of one fused kernel", () => {
  it("carry values of many types, use their number, and leave what does not change", async () => {
    const f = engine.jit((x: Traced, step: Traced, kept: Traced) =>
      forLoop(
        MANY,
        {
          x,
          count: 0n,
          sum: mx.zeros({ shape: [], dtype: "int32" }),
          flag: true,
          half: mx.zeros({ shape: [3], dtype: "float16" }),
          kept,
        },
        ({ x, count, sum, flag, half, kept }, i) => ({
          x: mx.add(x, mx.multiply(step, kept)),
          count: mx.add(count, 2n),
          sum: mx.bitwise_xor(sum, i),
          flag: mx.logical_not(flag),
          half: mx.minimum(mx.add(half, 1), 100),
          kept,
        }),
      ),
    );
    const { x, count, sum, flag, half, kept } = await f([1, 2], 0.5, [2, 4]);
    let all = 0;
    for (let i = 0; i < MANY; i++) all ^= i;
    expect(await x.toArray()).toEqual([1 + MANY, 2 + 2 * MANY]);
    expect(await count.toArray()).toBe(BigInt(2 * MANY));
    expect(await sum.toArray()).toBe(all);
    expect(await flag.toArray()).toBe(MANY % 2 === 0);
    expect(await half.toArray()).toEqual([100, 100, 100]);
    expect(await kept.toArray()).toEqual([2, 4]);
  });

  it.each([0, 1, 7, 8, 9, 1024, 1025])("end after %i iterations, told by a value", async (n) => {
    const f = engine.jit((x: Traced, bound: Traced) =>
      whileLoop(
        { x, y: mx.multiply(x, 2) },
        ({ x }) => mx.less(mx.max(x), bound),
        ({ x, y }) => ({ x: mx.add(x, 1), y: mx.subtract(y, mx.sum(x, { keepdims: true })) }),
      ),
    );
    const start = [0, -1, -2, -3];
    let [x, y] = [start, start.map((value) => value * 2)];
    for (let i = 0; i < n; i++) {
      const sum = x.reduce((a, b) => a + b);
      [x, y] = [x.map((value) => value + 1), y.map((value) => value - sum)];
    }
    const result = await f(start, n);
    expect(await result.x.toArray()).toEqual(x);
    expect(await result.y.toArray()).toEqual(y);
  });

  it("exchange their values", async () => {
    const f = engine.jit((a: Traced, b: Traced) =>
      forLoop(101, { a, b, c: mx.add(a, b) }, ({ a, b, c }) => ({ a: b, b: a, c: mx.add(c, a) })),
    );
    const { a, b, c } = await f(1, 2);
    expect(await Promise.all([a, b, c].map((value) => value.toArray()))).toEqual([2, 1, 154]);
  });

  it("run inside others, and again with other operands", async () => {
    const f = engine.jit((x: Traced, n: Traced) =>
      forLoop(20, x, (outer, i) =>
        whileLoop(
          outer,
          (value) => mx.less(value, mx.multiply(n, mx.astype(i, { dtype: "float32" }))),
          (value) => mx.add(value, 1),
        ),
      ),
    );
    expect(await (await f(0, 50)).toArray()).toBe(950);
    expect(await (await f(0.5, 10)).toArray()).toBe(190.5);
  });

  it("are watched from the iteration on in which somebody comes", async () => {
    const f = engine.jit((x: Traced, bound: Traced) =>
      whileLoop(
        hook(x, "begun"),
        (value) => mx.less(value, bound),
        (value) => hook(mx.add(value, 1), "step"),
      ),
    );
    const seen: number[] = [];
    const abort = new AbortController();
    f.on("begun", () => {
      f.on("step", ({ value }) => {
        seen.push((value as Float32Array)[0] as number);
        if (seen.length === 100) abort.abort();
      });
    });
    // It does not end: adding 1 changes nothing from 2^24 on.
    const run = f.with({ signal: abort.signal }, 0, 2 ** 25);
    await expect(run).rejects.toMatchObject({ code: "cancelled" });
    const first = seen[0] as number;
    expect(seen.slice(0, 100)).toEqual(
      Array.from({ length: 100 }, (_, i) => Math.min(first + i, 2 ** 24)),
    );
  });

  it("end with a cancel", async () => {
    const f = engine.jit((x: Traced) =>
      whileLoop(
        hook(x, "begun"),
        (value) => mx.less(value, 1),
        (value) => mx.multiply(value, 0.5),
      ),
    );
    const abort = new AbortController();
    f.on("begun", () => abort.abort());
    const run = f.with({ signal: abort.signal }, 0.5);
    await expect(run).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe.runIf(ownKernels)("a long kernel", () => {
  it("ends where its run is cancelled in the middle of it", async () => {
    // The last thing that the run does, and seconds of work.
    const f = engine.jit((x: Traced) => {
      let y = mx.broadcast_to(hook(x, "begun"), { shape: [1 << 23] });
      for (let i = 0; i < 30; i++) y = mx.arctan(mx.add(y, 1));
      return y;
    });
    const abort = new AbortController();
    f.on("begun", () => abort.abort());
    await expect(f.with({ signal: abort.signal }, 1)).rejects.toMatchObject({ code: "cancelled" });
  });
});
