import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import {
  callback,
  cond,
  DavitError,
  Engine,
  type Event,
  forLoop,
  hook,
  label,
  mx,
  print,
  switchCase,
  type Tensor,
  type Traced,
  whileLoop,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 2 });
afterAll(() => engine.close());

const F32 = { dtype: "float32", shape: [] } as const;
const list = (value: Event["value"]) => [...(value as Float32Array)];
/** Name, path and first value of events. */
const brief = (events: readonly Event[]) =>
  events.map(({ name, path, value }) => [name, [...path], list(value)]);

describe("hooks", () => {
  it("in loops in loops tell their iterations", async () => {
    const f = engine.jit((x: Traced) =>
      forLoop(2, x, (outer, i) => {
        const inner = whileLoop(
          { s: outer, n: 0n },
          ({ n }) => mx.less(n, 2n),
          ({ s, n }) => ({ s: hook(mx.add(s, 1), "inner"), n: mx.add(n, 1n) }),
        );
        hook(mx.astype(i, { dtype: "float32" }), "outer");
        return inner.s;
      }),
    );
    const seen: Event[] = [];
    f.on("inner", (event) => seen.push(event));
    f.on("outer", (event) => seen.push(event));
    expect(await (await f(0)).toArray()).toBe(4);
    expect(brief(seen)).toEqual([
      ["inner", [0, 0], [1]],
      ["inner", [0, 1], [2]],
      ["outer", [0], [0]],
      ["inner", [1, 0], [3]],
      ["inner", [1, 1], [4]],
      ["outer", [1], [1]],
    ]);
    expect(seen.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("in a loop that ends by its data fire once an iteration", async () => {
    const f = engine.jit((x: Traced) =>
      whileLoop(
        x,
        (s) => mx.less(hook(s, "tested"), 10),
        (s) => mx.multiply(s, 3),
      ),
    );
    const seen: Event[] = [];
    f.on("tested", (event) => seen.push(event));
    expect(await (await f(1)).toArray()).toBe(27);
    expect(seen.map(({ value }) => list(value))).toEqual([[1], [3], [9], [27]]);
  });

  it("of branches that are not taken are silent", async () => {
    const f = engine.jit((index: Traced, x: Traced) =>
      switchCase(
        index,
        [0, 1, 2].map((k) => () => hook(mx.add(x, k), `case ${k}`)),
      ),
    );
    const seen: Event[] = [];
    for (const k of [0, 1, 2]) f.on(`case ${k}`, (event) => seen.push(event));
    for (const k of [2, 0]) await f(engine.tensor(k, "int32"), 5);
    expect(brief(seen)).toEqual([
      ["case 2", [], [7]],
      ["case 0", [], [5]],
    ]);
  });

  it("take containers, and give them back", async () => {
    const f = engine.jit((x: Traced) => {
      const { a, b } = hook({ b: [mx.add(x, 1), 7], a: x }, "both");
      return [a, ...b];
    });
    const seen: Event[] = [];
    f.on("both", (event) => seen.push(event));
    const results = await f([1, 2]);
    expect(await Promise.all(results.map((result) => result.toArray()))).toEqual([
      [1, 2],
      [2, 3],
      7,
    ]);
    expect(seen[0]?.values.map(list)).toEqual([[1, 2], [2, 3], [7]]);
    expect(seen[0]?.types.map(({ shape }) => shape)).toEqual([[2], [2], []]);
  });

  it("of one name are told apart by their sites and labels", async () => {
    const f = engine.jit((x: Traced) => {
      const y = label("first", () => hook(x, "same"));
      return label("second", () => hook(mx.add(y, 1), "same"));
    });
    const seen: Event[] = [];
    f.on("same", (event) => seen.push(event));
    await f(1);
    expect(brief(seen)).toEqual([
      ["same", [], [1]],
      ["same", [], [2]],
    ]);
    expect(seen.map((event) => event.label)).toEqual(["first", "second"]);
    expect(seen[0]?.site).toBeLessThan(seen[1]?.site as number);
  });

  it("on values that go nowhere fire", async () => {
    const f = engine.jit((x: Traced) => {
      hook(mx.exp(x), "dead");
      return cond(
        true,
        () => {
          hook(mx.multiply(x, 3), "dead in a branch");
          return x;
        },
        () => x,
      );
    });
    const seen: Event[] = [];
    f.on("dead", (event) => seen.push(event));
    f.on("dead in a branch", (event) => seen.push(event));
    expect(await (await f(0)).toArray()).toBe(0);
    expect(brief(seen)).toEqual([
      ["dead", [], [1]],
      ["dead in a branch", [], [0]],
    ]);
  });

  it("may be functions, each bound to its place", async () => {
    const seen: [string, number[]][] = [];
    const f = engine.jit((x: Traced) =>
      forLoop(2, x, (s) => {
        hook(s, (event: Event) => seen.push(["before", list(event.value)]));
        const next = mx.add(s, 1);
        hook(next, (event: Event) => seen.push(["after", list(event.value)]));
        return next;
      }),
    );
    await f(0);
    await f(10);
    expect(seen).toEqual([
      ["before", [0]],
      ["after", [1]],
      ["before", [1]],
      ["after", [2]],
      ["before", [10]],
      ["after", [11]],
      ["before", [11]],
      ["after", [12]],
    ]);
  });

  it("that throw fail the run with what they threw", async () => {
    const wrong = new RangeError("not this value");
    const f = engine.jit((x: Traced) =>
      hook(x, () => {
        throw wrong;
      }),
    );
    await expect(f(1)).rejects.toBe(wrong);
    const later = engine.jit((x: Traced) =>
      hook(x, async () => {
        await Promise.resolve();
        throw wrong;
      }),
    );
    await expect(later(1)).rejects.toBe(wrong);
  });
});

describe("print", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("shows values in loops and in the branch that is taken", async () => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    const f = engine.jit((x: Traced) =>
      forLoop(2, x, (s) =>
        cond(
          mx.greater(s, 1),
          () => print(mx.multiply(s, 10), "large"),
          () => print(mx.add(s, 1 / 3), "small", { precision: 3 }),
        ),
      ),
    );
    await f(1);
    expect(log.mock.calls.map(([text]) => text)).toEqual([
      "small at [0]: array(1.33, dtype=float32)",
      "large at [1]: array(13.3333, dtype=float32)",
    ]);
  });
});

describe("call", () => {
  it("goes on with what the handler gives, in loops and branches", async () => {
    const seen: unknown[] = [];
    const f = engine.jit((x: Traced) =>
      forLoop(3, x, (s, i) =>
        cond(
          mx.equal(i, 1),
          () => s,
          () => {
            const [next] = callback(
              s,
              async (value: Tensor) => {
                seen.push(await value.toArray());
                return ((await value.toArray()) as number) * 10;
              },
              [F32],
            );
            return next as Traced;
          },
        ),
      ),
    );
    expect(await (await f(1)).toArray()).toBe(100);
    expect(seen).toEqual([1, 10]);
  });

  it("takes trees and gives several tensors", async () => {
    const f = engine.jit((x: Traced) =>
      callback(
        { a: x, b: [mx.add(x, 1)] },
        async (a: Tensor, b: Tensor) => [await b.toArray(), await a.toArray()] as never,
        [F32, F32],
      ),
    );
    const results = await f(1);
    expect(await Promise.all(results.map((result) => result.toArray()))).toEqual([2, 1]);
  });

  it("by name is answered by the engine's handler", async () => {
    engine.handle("negate", async (value) => -((await value.toArray()) as number));
    const f = engine.jit((x: Traced) => callback(x, "negate", [F32]));
    expect(await (await f(4))[0]?.toArray()).toBe(-4);
    const g = engine.jit((x: Traced) => label("part", () => callback(x, "nobody", [F32])));
    await expect(g(1)).rejects.toThrow(/nobody handles the call "nobody"/);
  });

  it("fails with what the handler throws", async () => {
    const wrong = new TypeError("no");
    const f = engine.jit((x: Traced) =>
      forLoop(2, x, (s) => {
        const [next] = callback(s, () => {
          throw wrong;
        }, [F32]);
        return next as Traced;
      }),
    );
    await expect(f(1)).rejects.toBe(wrong);
  });

  it("names both where the reply is not what was declared", async () => {
    const reply = (value: unknown) =>
      engine.jit((x: Traced) => callback(x, (() => value) as never, [{ ...F32, shape: [2] }]))(1);
    await expect(reply([1, 2, 3])).rejects.toThrow(/float32\[3\].*declares float32\[2\]/s);
    await expect(reply([])).rejects.toThrow(DavitError);
  });
});

describe("label", () => {
  it("refuses an empty name", async () => {
    const f = engine.jit((x: Traced) => label("", () => x));
    await expect(f(1)).rejects.toThrow(/a label is empty; expected a name/);
  });

  it("reaches probes", async () => {
    const f = engine.jit((x: Traced) =>
      label("net", () => forLoop(2, x, (s) => label("layer", () => mx.multiply(mx.add(s, 1), 2)))),
    );
    const seen: [string | undefined, number[]][] = [];
    f.program(0);
    const watch = engine.hooks.on({ match: { probe: "net.layer.*" } }, ({ values }, site) => {
      seen.push([site.label, [...new Float32Array((values[0] as Uint8Array).slice().buffer)]]);
    });
    await f(0);
    watch.close();
    expect(seen).toEqual([
      ["net.layer.add", [1]],
      ["net.layer.add", [3]],
    ]);
  });
});
