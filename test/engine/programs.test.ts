import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callback, Engine, type Event, hook, mx, type Traced } from "../../src/index.js";
import { native } from "../../src/native.js";
import { eventually } from "../support/eventually.js";

const MEGABYTES = 2 ** 20;

let engine: Engine;

beforeAll(() => {
  engine = Engine.create({ lanes: 2 });
});
afterAll(() => engine.close());

const programs = () => engine.info().counters.programs as number;
const active = () => engine.info().memory.active;

describe("the programs of a function", () => {
  it("are as many as it may keep: those used last", async () => {
    const before = programs();
    const f = engine.jit((x: Traced) => mx.add(x, 1), { maxPrograms: 3 });
    for (const length of [1, 2, 3, 1, 4, 5]) await f(new Float32Array(length));
    expect(f.programs).toEqual({ kept: 3, traced: 5, stored: 0, evicted: 2 });
    expect(programs() - before).toBe(3);
    // 1 was used after 2 and 3.
    await f(new Float32Array(1));
    expect(f.programs.traced).toBe(5);
    await f(new Float32Array(2));
    expect(f.programs).toEqual({ kept: 3, traced: 6, stored: 0, evicted: 3 });
    f.dispose();
    expect(programs()).toBe(before);
    await expect(f([1])).rejects.toMatchObject({ code: "function_disposed" });
    f.dispose();
  });

  it("are 128 where nothing is said", async () => {
    const f = engine.jit((x: Traced) => mx.add(x, 1));
    for (let length = 1; length <= 150; length++) await f(new Float32Array(length));
    expect(f.programs).toEqual({ kept: 128, traced: 150, stored: 0, evicted: 22 });
    f.dispose();
  });

  it.each([0, 1.5, -1, Number.NaN, 2 ** 31, "4"])("cannot be %s", (maxPrograms) => {
    expect(() => engine.jit(() => 1, { maxPrograms: maxPrograms as number })).toThrow(
      expect.objectContaining({ code: "option_invalid" }),
    );
  });

  it("take their constants along when the function is disposed of, and runs under way go on", async () => {
    const before = active();
    const make = () => {
      const weights = engine.tensor(new Float32Array(4 * MEGABYTES));
      const f = engine.jit((x: Traced) => {
        const [one] = callback(mx.max(weights), async () => 1, [{ dtype: "float32", shape: [] }]);
        return hook(mx.add(x, one as Traced), "late");
      });
      const fired: Event[] = [];
      f.on("late", (event) => void fired.push(event));
      const under = f([1, 2]);
      f.dispose();
      weights.dispose();
      return { under, fired };
    };
    const { under, fired } = make();
    expect(await (await under).toArray()).toEqual([2, 3]);
    expect(fired).toHaveLength(1);
    await eventually(() => {
      native().collect();
      expect(active() - before).toBeLessThan(MEGABYTES);
    });
  });

  it("are freed with a function that is forgotten", async () => {
    const [before, count] = [active(), programs()];
    await (async () => {
      const weights = engine.tensor(new Float32Array(4 * MEGABYTES));
      const f = engine.jit((x: Traced) => mx.add(x, mx.sum(weights)));
      for (const length of [1, 2, 3]) await f(new Float32Array(length));
    })();
    expect(programs() - count).toBe(3);
    await eventually(() => {
      native().collect();
      expect(programs()).toBe(count);
      expect(active() - before).toBeLessThan(MEGABYTES);
    });
  });

  it("may be used by others as long as these have them", async () => {
    const f = engine.jit((x: Traced) => mx.add(x, 1), { maxPrograms: 1 });
    const program = f.program([1, 2]);
    await f([1, 2, 3]);
    f.dispose();
    const { outputs } = engine.run(program, [engine.tensor([1, 2])]);
    expect(await outputs[0]?.toArray()).toEqual([2, 3]);
    engine.unload(program);
    expect(() => engine.run(program, [engine.tensor([1, 2])])).toThrow(
      expect.objectContaining({ code: "program_unknown" }),
    );
  });
});

describe("a program that was loaded", () => {
  it("is unloaded when it is forgotten", async () => {
    const count = programs();
    const { graph } = engine.jit((x: Traced) => mx.add(x, 1)).trace([1]);
    (() => void engine.load(graph))();
    await eventually(() => {
      native().collect();
      expect(programs()).toBeLessThanOrEqual(count);
    });
  });
});
