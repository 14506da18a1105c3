import { afterAll, describe, expect, it } from "vitest";
import {
  callback,
  cond,
  Engine,
  forLoop,
  hook,
  mx,
  switchCase,
  type Tensor,
  type Traced,
  whileLoop,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 2 });
afterAll(() => engine.close());

const scalar = [{ dtype: "float32", shape: [] }] as const;

describe("loops and branches", () => {
  it("carry many values of many types, one loop in another, with their hooks in program order", async () => {
    const long = 2n ** 53n + 1n;
    const f = engine.jit((n: Traced, x: Traced, big: Traced, flag: Traced, bytes: Traced) =>
      whileLoop(
        { i: 0n, x, big, flag, bytes, half: mx.ones({ shape: [], dtype: "float16" }) },
        ({ i }) => mx.less(i, n),
        ({ i, x, big, flag, bytes, half }) => {
          const inner = whileLoop(
            { j: 0n, x, big, bytes },
            ({ j }) => mx.less_equal(j, i),
            ({ j, x, big, bytes }) => {
              const seen = hook({ big: mx.add(big, 1n), x: mx.add(x, 1) }, "inner");
              return { j: mx.add(j, 1n), bytes: mx.add(bytes, 1), ...seen };
            },
          );
          hook([mx.logical_not(flag), mx.multiply(half, 2)], "outer");
          return {
            i: mx.add(i, 1n),
            x: inner.x,
            big: inner.big,
            flag: mx.logical_not(flag),
            bytes: inner.bytes,
            half: mx.multiply(half, 2),
          };
        },
      ),
    );
    const seen: [string | undefined, string, unknown][] = [];
    const watches = ["inner", "outer"].map((name) =>
      f.on(name, (e) =>
        seen.push([e.name, e.path.join("."), e.values.map((v) => [...(v as Uint8Array)])]),
      ),
    );
    const inputs = [
      engine.tensor(3n),
      engine.tensor([0, 0.5]),
      engine.tensor(long),
      engine.tensor(true),
      engine.tensor([250, 0, 255], "uint8"),
    ];
    const result = (await f(...inputs)) as Record<string, Tensor>;
    for (const watch of watches) watch.close();
    const names = ["x", "big", "flag", "bytes", "half"];
    const values = await Promise.all(names.map((name) => result[name]?.toArray()));
    expect(values).toEqual([[6, 6.5], long + 6n, false, [0, 6, 5], 8]);
    expect(names.map((name) => result[name]?.dtype)).toEqual(
      ["float32", "int64", "bool", "uint8", "float16"], // as they began
    );
    const inner = (path: string, n: number) => ["inner", path, [[long + BigInt(n)], [n, n + 0.5]]];
    // float16 travels as its bits: 2, 4, 8.
    expect(seen).toEqual([
      inner("0.0", 1),
      ["outer", "0", [[0], [0x4000]]],
      inner("1.0", 2),
      inner("1.1", 3),
      ["outer", "1", [[1], [0x4400]]],
      inner("2.0", 4),
      inner("2.1", 5),
      inner("2.2", 6),
      ["outer", "2", [[0], [0x4800]]],
    ]);
  });

  it("do not compute a branch that is not taken, nor ask for it", async () => {
    const f = engine.jit((index: Traced, x: Traced) =>
      switchCase(index, [
        () => mx.linalg.inv(x),
        () => callback(x, "nobody there", [x.type])[0] as Traced,
        () =>
          cond(
            mx.equal(index, 2),
            () => mx.add(x, 1),
            () => mx.linalg.inv(x),
          ),
      ]),
    );
    const singular = [
      [1, 2],
      [2, 4],
    ];
    const at = (n: number) => f(engine.tensor(n, "int32"), singular);
    expect(await (await at(2)).toArray()).toEqual([
      [2, 3],
      [3, 5],
    ]);
    await expect(at(0)).rejects.toMatchObject({ op: "linalg.inv" });
    await expect(at(1)).rejects.toMatchObject({ code: "handler_missing" });
    await expect(at(3)).rejects.toMatchObject({ op: "linalg.inv" });
  });

  it("fire the hooks of a function's every call, at one site", async () => {
    const f = engine.jit((x: Traced) =>
      forLoop(2, x, (s) => {
        const y = hook(mx.add(s, 1), "twin");
        return hook(mx.multiply(y, 2), "twin");
      }),
    );
    const seen: [number, number, number][] = [];
    const watch = f.on("twin", ({ site, seq, value }) => {
      seen.push([site, seq, (value as Float32Array)[0] as number]);
    });
    expect(await (await f(1)).toArray()).toBe(10);
    watch.close();
    expect(seen.map(([, seq, value]) => [seq, value])).toEqual([
      [0, 2],
      [1, 4],
      [2, 5],
      [3, 10],
    ]);
    const [a, b] = seen.map(([site]) => site);
    expect(a).not.toBe(b);
    expect(seen.map(([site]) => site)).toEqual([a, b, a, b]);
  });

  it("keep memory bounded where the number of iterations is known", async () => {
    const other = Engine.create({ lanes: 1 });
    const bytes = 1_000_000;
    const peak = async (count: number) => {
      const f = other.jit((x: Traced) => forLoop(count, x, (s) => mx.multiply(s, 1)));
      const x = other.fromBytes(new Uint8Array(bytes), { dtype: "float32", shape: [bytes / 4] });
      await f(x);
      return other.info().memory.peak;
    };
    const short = await peak(10);
    expect((await peak(5000)) - short).toBeLessThan(20 * bytes);
    await other.close();
  });

  const size = 1024;
  const matrix = () =>
    engine.fromBytes(new Uint8Array(4 * size * size), { dtype: "float32", shape: [size, size] });
  const products = (x: Traced, y: Traced, count: number) => {
    let z = y;
    for (let n = 0; n < count; n++) z = mx.matmul(z, x);
    return z;
  };
  it.each<[string, (x: Traced) => Traced]>([
    ["in a long segment", (x) => products(x, x, 2000)],
    ["in an iteration", (x) => forLoop(1000, x, (y) => products(x, y, 200))],
    [
      "between iterations",
      (x) =>
        whileLoop(
          x,
          (y) => mx.less(mx.max(y), 1),
          (y) => mx.matmul(y, x),
        ),
    ],
  ])("are cancelled %s", async (_, fn) => {
    let begun = () => {};
    const f = engine.jit((x: Traced) => fn(hook(x, () => begun())));
    const abort = new AbortController();
    const underWay = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const run = f.with({ signal: abort.signal }, matrix());
    await underWay;
    const started = performance.now();
    abort.abort();
    await expect(run).rejects.toMatchObject({ code: "cancelled" });
    // To its end it takes longer, or has none. The machine may be busy with other things.
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe("a call that is not answered", () => {
  it.each([
    ["a signal", () => AbortSignal.timeout(50)],
    ["a signal that is there already", () => AbortSignal.abort()],
  ])("ends with its run by %s, and others go on", async (_, signal) => {
    const f = engine.jit((x: Traced) => callback(x, () => new Promise<never>(() => {}), scalar));
    const other = engine.jit((x: Traced) => mx.add(x, 1));
    const waiting = f.with({ signal: signal() }, 1);
    await expect(waiting).rejects.toThrow(/abort|timeout/i);
    expect(await (await other(1)).toArray()).toBe(2);
  });

  it.each([
    ["undefined", undefined],
    ["text", "12"],
    ["an object", {}],
    ["a function", () => 1],
  ])("because its handler returned %s fails its run", async (_, value) => {
    const f = engine.jit((x: Traced) => callback(x, (() => value) as never, scalar));
    await expect(f(1)).rejects.toThrow(/is not a number|values; the call declares 1/);
  });
});

describe("subscriptions", () => {
  it("by id, name and glob get the same events, many of one each", async () => {
    const f = engine.jit((x: Traced) => hook(mx.add(x, 1), "loss"));
    f.program(1);
    const { id } = f.program(1).sites.find(({ name }) => name === "loss") as { id: Uint8Array };
    const heard: string[] = [];
    const matches = [{ id }, { name: "loss" }, { label: "lo*" }, [{ name: "x" }, { id }]] as const;
    const watches = [...matches, ...matches].map((match, n) =>
      engine.hooks.on({ match: match as never }, ({ seq }) => heard.push(`${n}.${seq}`)),
    );
    await f(1);
    expect(heard).toEqual(watches.map((_, n) => `${n}.0`));
    for (const watch of watches) watch.close();
    await f(1);
    expect(heard).toHaveLength(watches.length);
  });

  it("at a rate leave out what comes too soon, and count it", async () => {
    const f = engine.jit((x: Traced) => hook(mx.add(x, 1), "rated"));
    const heard: number[] = [];
    const watch = f.on("rated", ({ dropped }) => heard.push(dropped), { policy: { rate: 20 } });
    const began = performance.now();
    let runs = 0;
    for (; heard.length < 2; runs++) await f(1);
    watch.close();
    expect(performance.now() - began).toBeGreaterThanOrEqual(50);
    expect(heard).toEqual([0, runs - 2]);
  });
});
