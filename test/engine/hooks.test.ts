import { afterAll, describe, expect, it } from "vitest";
import {
  callback,
  cond,
  Engine,
  type Event,
  forLoop,
  hook,
  mx,
  print,
  type Summary,
  type Traced,
  whileLoop,
} from "../../src/index.js";
import { STRANGE } from "../support/thrown.js";

const engine = Engine.create({ lanes: 2, hookCredit: 4096 });
afterAll(() => engine.close());

const first = (event: Event) => (event.value as Float32Array)[0] as number;

describe("hooks in loops and branches", () => {
  it("of a function are its own; those of the engine are of all functions", async () => {
    const f = engine.jit((x: Traced) => hook(mx.add(x, 1), "shared"));
    const g = engine.jit((x: Traced) => hook(mx.add(x, 2), "shared"));
    const seen: [string, number][] = [];
    const note = (who: string) => (event: Event) => void seen.push([who, first(event)]);
    await f([0]); // A program that is loaded before, and below one that is loaded after.
    const subscriptions = [
      f.on("shared", note("f")),
      g.on("shared", note("g")),
      engine.on("shared", note("engine")),
    ];
    await f([0]);
    await g([0]);
    await f([0, 0]);
    expect(seen.toSorted()).toEqual([
      ["engine", 1],
      ["engine", 1],
      ["engine", 2],
      ["f", 1],
      ["f", 1],
      ["g", 2],
    ]);
    for (const subscription of subscriptions) subscription.close();
  });

  it("fire once an iteration, in order, with their path, before the result", async () => {
    const f = engine.jit((x: Traced) =>
      forLoop(3, x, (outer) =>
        forLoop(4, outer, (inner, i) =>
          hook(mx.add(inner, mx.astype(i, { dtype: "float32" })), "inner"),
        ),
      ),
    );
    const seen: Event[] = [];
    const watch = f.on("inner", (event) => seen.push(event));
    const result = await f([0]);
    expect(await result.toArray()).toEqual([18]);
    expect(seen.map((event) => event.seq)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(seen.map((event) => event.path)).toEqual(
      Array.from({ length: 12 }, (_, i) => [Math.floor(i / 4), i % 4]),
    );
    watch.close();
    await f([0]);
    expect(seen).toHaveLength(12);
  });

  it("fire in loops that depend on data, thousands of times, though only a few fit the credit", async () => {
    const f = engine.jit((x: Traced) =>
      whileLoop(
        x,
        (value) => mx.less(mx.max(value), 3000),
        (value) => hook(mx.add(value, 1), "step"),
      ),
    );
    const seen: number[] = [];
    const watch = f.on("step", (event) => seen.push(first(event)));
    await f([0]);
    expect(seen).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
    watch.close();
  });

  it("wait for a handler that takes its time, with bounded memory in flight", async () => {
    const f = engine.jit((x: Traced) => forLoop(500, x, (value) => hook(mx.add(value, 1), "slow")));
    let open = 0;
    let most = 0;
    const watch = f.on("slow", async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
    });
    await f(new Float32Array(64));
    // 4,096 bytes of credit, 256 + 64 an event.
    expect(most).toBeLessThanOrEqual(12);
    watch.close();
  });

  it("are silent in the branch that is not taken", async () => {
    const f = engine.jit((x: Traced) =>
      cond(
        mx.greater(mx.sum(x), 0),
        () => hook(mx.multiply(x, 2), "positive"),
        () => hook(mx.multiply(x, 3), "negative"),
      ),
    );
    const seen: string[] = [];
    const watches = ["positive", "negative"].map((name) => f.on(name, () => seen.push(name)));
    expect(await (await f([1])).toArray()).toEqual([2]);
    expect(await (await f([-1])).toArray()).toEqual([-3]);
    expect(seen).toEqual(["positive", "negative"]);
    for (const watch of watches) watch.close();
  });

  it("fire when their value goes nowhere, and tell two of one name apart", async () => {
    const f = engine.jit((x: Traced) => {
      hook(mx.add(x, 10), "twin");
      hook([mx.add(x, 20), mx.sum(x)], "twin");
      return x;
    });
    const seen: Event[] = [];
    const watch = f.on("twin", (event) => seen.push(event));
    await f([1, 2]);
    expect(seen.map((event) => event.values.map((value) => [...(value as Float32Array)]))).toEqual([
      [[11, 12]],
      [[21, 22], [3]],
    ]);
    expect(new Set(seen.map((event) => event.site)).size).toBe(2);
    watch.close();
  });
});

describe("policies and views", () => {
  const counting = () =>
    engine.jit((x: Traced) => forLoop(1000, x, (value) => hook(mx.add(value, 1), "count")));

  it("sample: every n-th, the rest counted", async () => {
    const f = counting();
    const seen: Event[] = [];
    const watch = f.on("count", (event) => seen.push(event), { policy: { sample: 100 } });
    await f([0]);
    expect(seen.map(first)).toEqual(Array.from({ length: 10 }, (_, i) => i * 100 + 1));
    expect(seen.slice(1).every((event) => event.dropped === 99)).toBe(true);
    watch.close();
  });

  it("latest: the newest when the reader is ready, the last one always", async () => {
    const f = counting();
    const seen: Event[] = [];
    const watch = f.on(
      "count",
      async (event) => {
        seen.push(event);
        await new Promise((resolve) => setImmediate(resolve));
      },
      { policy: "latest" },
    );
    await f([0]);
    expect(first(seen.at(-1) as Event)).toBe(1000);
    const told = seen.length + seen.reduce((sum, event) => sum + event.dropped, 0);
    expect(told).toBe(1000);
    watch.close();
  });

  it("summary and slice", async () => {
    const f = engine.jit((x: Traced) => hook(x, "viewed"));
    const summaries: Summary[] = [];
    const slices: number[][] = [];
    const watches = [
      f.on("viewed", (event) => summaries.push(event.value as Summary), {
        view: { summary: { bins: 2 } },
      }),
      f.on("viewed", (event) => slices.push([...(event.value as Float32Array)]), {
        view: { slice: { start: [1], size: [2] } },
      }),
    ];
    await f([1, 2, Number.NaN, 4, Number.POSITIVE_INFINITY]);
    expect(summaries[0]).toMatchObject({ count: 5, min: 1, max: 4, nan: 1, inf: 1 });
    expect(summaries[0]?.mean).toBeCloseTo(7 / 3);
    expect(summaries[0]?.histogram).toEqual([2, 1]);
    expect(slices).toEqual([[2, Number.NaN]]);
    for (const watch of watches) watch.close();
  });

  it("refuse what they do not know", () => {
    const f = counting();
    expect(() => f.on("count", () => {}, { policy: { sample: 0 } })).toThrow(/sample/);
    expect(() => f.on("count", () => {}, { view: "half" as never })).toThrow(/view/);
  });
});

describe("attaching and detaching while a program runs", () => {
  it("takes effect in the loop under way", async () => {
    const abort = new AbortController();
    const f = engine.jit((x: Traced) =>
      whileLoop(
        x,
        (value) => mx.greater(mx.max(value), 0),
        (value) => hook(mx.add(value, 1), "live"),
      ),
    );
    const run = f.with({ signal: abort.signal }, [1]);
    const ended = expect(run).rejects.toMatchObject({ code: "cancelled" });
    const seen: number[] = [];
    await new Promise<void>((resolve) => {
      const watch = f.on("live", (event) => {
        seen.push(first(event));
        if (seen.length === 50) {
          watch.close();
          resolve();
        }
      });
    });
    expect(seen).toHaveLength(50);
    abort.abort();
    await ended;
    expect(seen).toHaveLength(50);
  });
});

describe("calls", () => {
  const scalar = [{ dtype: "float32", shape: [] }] as const;

  it("work in loops, with handlers that run programs on the same engine", async () => {
    const double = engine.jit((x: Traced) => mx.multiply(x, 2));
    const f = engine.jit((x: Traced) =>
      forLoop(
        5,
        x,
        (value) => callback(value, async (v) => double(v as never), scalar)[0] as Traced,
      ),
    );
    expect(await (await f(1)).toArray()).toBe(32);
  });

  it("fail with what the handler threw", async () => {
    const broken = new RangeError("not today");
    const f = engine.jit(
      (x: Traced) =>
        callback(
          x,
          () => {
            throw broken;
          },
          scalar,
        )[0] as Traced,
    );
    await expect(f(1)).rejects.toBe(broken);
  });

  it("name both types where the reply does not fit", async () => {
    const f = engine.jit(
      (x: Traced) => callback(x, () => engine.tensor([1, 2]), scalar)[0] as Traced,
    );
    await expect(f(1)).rejects.toThrow(/float32\[2\].*float32\[\]/s);
  });

  it("without results ignore what their handler returns", async () => {
    for (const returned of [undefined, null, 7, "text", [1, 2], { a: 1 }, engine.tensor(1)]) {
      const seen: unknown[] = [];
      const f = engine.jit((x: Traced) => {
        const results = callback(
          x,
          async (value) => {
            seen.push(await value.toArray());
            return returned as never;
          },
          [],
        );
        expect(results).toEqual([]);
        return mx.add(x, 1);
      });
      expect(await (await f(1)).toArray()).toBe(2);
      expect(seen).toEqual([1]);
    }
  });

  it.each([
    ["a typed array", Float32Array.of(1, 2, 3, 4), [2, 2]],
    [
      "nested arrays",
      [
        [1, 2],
        [3, 4],
      ],
      [2, 2],
    ],
    ["one row", [[1, 2, 3, 4]], [1, 4]],
    ["a list of a typed array", [Float32Array.of(1, 2, 3, 4)], [2, 2]],
    [
      "a list of nested arrays",
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
      [2, 2],
    ],
    ["a list of one row", [[1, 2, 3, 4]], [4]],
  ] as const)("with one result take %s", async (_, returned, shape) => {
    const f = engine.jit(
      (x: Traced) =>
        callback(x, () => returned as never, [{ dtype: "float32", shape }])[0] as Traced,
    );
    const result = await f(1);
    expect(result.shape).toEqual(shape);
    expect([...result.view()]).toEqual([1, 2, 3, 4]);
  });

  it("with one scalar result take it bare or in a list", async () => {
    for (const returned of [3, [3], Float32Array.of(3), [Float32Array.of(3)]]) {
      const f = engine.jit(
        (x: Traced) => callback(x, () => returned as never, scalar)[0] as Traced,
      );
      expect(await (await f(1)).toArray()).toBe(3);
    }
  });

  it("say so where nobody handles them", async () => {
    const f = engine.jit((x: Traced) => callback(x, "nobody", scalar)[0] as Traced);
    await expect(f(1)).rejects.toThrow(/nobody handles the call "nobody"/);
    engine.handle("nobody", (value) => value);
    expect(await (await f(1)).toArray()).toBe(1);
  });
});

describe("a handler that throws what is no error", () => {
  const cases = Object.entries(STRANGE);
  const outcome = (work: Promise<unknown>) =>
    work.then(
      () => "done",
      (error: unknown) => ({ error }),
    );

  it.each(cases)("ends its call's run: %s", async (_name, thrown) => {
    const fail = () => {
      throw thrown;
    };
    const f = engine.jit(
      (x: Traced) => callback(x, fail, [{ dtype: "float32", shape: [] }])[0] as Traced,
    );
    expect(Object.is(((await outcome(f(0))) as { error: unknown }).error, thrown)).toBe(true);
    // Nothing waits in the queue for a reply that never comes.
    expect(await (await engine.jit((x: Traced) => mx.add(x, 1))(0)).toArray()).toBe(1);
  });

  it.each(cases)("ends its hook's run: %s", async (_name, thrown) => {
    const fail = () => {
      throw thrown;
    };
    const f = engine.jit((x: Traced) => hook(mx.add(x, 1), fail));
    expect(Object.is(((await outcome(f(0))) as { error: unknown }).error, thrown)).toBe(true);
  });
});

describe("print", () => {
  it("goes to the console, with name and limits", async () => {
    const lines: string[] = [];
    const { log } = console;
    console.log = (line: string) => lines.push(line);
    try {
      await engine.jit((x: Traced) => print(x, "x", { limit: 3 }))(new Float32Array(20));
    } finally {
      console.log = log;
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^x: .*0.*\.\.\./s);
  });

  it("takes functions alone", () => {
    const f = engine.jit((x: Traced) => hook(x, "x"));
    const expected = "the handler is 5; expected a function";
    expect(() => f.on("x", 5 as never)).toThrow(expected);
    expect(() => f.probe("x", 5 as never)).toThrow(expected);
    expect(() => engine.hooks.on({ match: "all" }, 5 as never)).toThrow(expected);
  });
});
