import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  Engine,
  type EngineOptions,
  hook,
  label,
  mx,
  type Tensor,
  type Traced,
} from "../../src/index.js";
import { built } from "../support/built.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();
let stores = 0;
let path = "";
const engines: Engine[] = [];
const warnings: string[] = [];

/** An engine that knows the programs of earlier ones from the store alone. */
function fresh(options: EngineOptions = {}): Engine {
  const engine = Engine.create({ lanes: 1, store: path, ...options });
  engines.push(engine);
  return engine;
}

/** When what a test has set off with setImmediate is done. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

beforeEach(() => {
  path = temporary(`store-${stores++}`);
  warnings.length = 0;
  vi.spyOn(process, "emitWarning").mockImplementation((text) => {
    warnings.push(String(text));
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

describe("a function with a name in the store", () => {
  it("is not traced by the next engine", async () => {
    let traced = 0;
    const model = ({ x }: { x: Traced }) => {
      traced++;
      return label("layer", () => ({ y: hook(mx.multiply(x, 2), "doubled"), list: [mx.sum(x)] }));
    };
    const store = { name: "model", verify: false };
    const first = fresh().jit(model, { store });
    expect(await (await first({ x: [1, 2] })).y.toArray()).toEqual([2, 4]);
    expect(first.programs).toMatchObject({ traced: 1, stored: 0 });
    const second = fresh().jit(model, { store });
    const seen: unknown[] = [];
    second.on("doubled", ({ value }) => seen.push(value));
    const { y, list } = await second({ x: [3, 4] });
    expect(await y.toArray()).toEqual([6, 8]);
    expect(await list[0]?.toArray()).toBe(7);
    expect(seen).toEqual([new Float32Array([6, 8])]);
    expect(second.programs).toMatchObject({ traced: 0, stored: 1 });
    expect(traced).toBe(1);
    const program = second.program({ x: [3, 4] });
    expect(program.hash).toBe(first.program({ x: [3, 4] }).hash);
    expect(program.sites).toEqual(first.program({ x: [3, 4] }).sites);
    expect(program.outputs).toEqual(first.program({ x: [3, 4] }).outputs);
    expect(second.trace({ x: [3, 4] }).graph).toEqual(program.graph);
    expect(traced).toBe(2);
    // Other types are another program.
    expect(await (await second({ x: [1] })).y.toArray()).toEqual([2]);
    expect(second.programs).toMatchObject({ traced: 1, stored: 1 });
  });

  it("gets what it captured from the process that calls it", async () => {
    const run = async (engine: Engine, weight: number, seen: unknown[]) => {
      const w = engine.tensor([weight, weight]);
      const see = ({ value }: { value: unknown }) => void seen.push(value);
      const f = engine.jit((x: Traced) => hook(mx.multiply(x, w), see), {
        store: { name: "f", captured: [w, see, 2], verify: false },
      });
      const result = await (await f([1, 2])).toArray();
      return { result, stored: f.programs.stored };
    };
    const [old, now]: unknown[][] = [[], []];
    expect(await run(fresh(), 2, old as unknown[])).toEqual({ result: [2, 4], stored: 0 });
    expect(await run(fresh(), 3, now as unknown[])).toEqual({ result: [3, 6], stored: 1 });
    expect(old).toEqual([new Float32Array([2, 4])]);
    expect(now).toEqual([new Float32Array([3, 6])]);
    expect(warnings).toEqual([]);
  });

  it("is not kept with a tensor or a function that nobody could bind again, and says so once", async () => {
    const engine = fresh();
    const w = engine.tensor(2);
    const f = engine.jit((x: Traced) => mx.multiply(x, w), { store: "f" });
    const g = engine.jit((x: Traced) => hook(x, function seen() {}), { store: "g" });
    for (const x of [1, [1]]) await f(x);
    await g(1);
    expect(warnings).toEqual([
      expect.stringMatching(/^the programs of "f" are not kept: .* a tensor float32\[\] that/),
      expect.stringMatching(/^the programs of "g" are not kept: .* the function "seen" that/),
    ]);
    expect(engine.programStore.store.counts.added).toBe(0);
  });

  it("is verified after the first run, and another function takes its place", async () => {
    await fresh().jit((x: Traced) => mx.add(x, 1), { store: "f" })(1);
    const same = fresh().jit((x: Traced) => mx.add(x, 1), { store: "f" });
    await same(1);
    await turn();
    expect(warnings).toEqual([]);
    const changed = fresh().jit((x: Traced) => mx.add(x, 2), { store: "f" });
    expect(await (await changed(1)).toArray()).toBe(2);
    await turn();
    expect(warnings).toEqual([expect.stringMatching(/another program of "f"/)]);
    expect(await (await changed(1)).toArray()).toBe(3);
    const next = fresh().jit((x: Traced) => mx.add(x, 2), { store: "f" });
    expect(await (await next(1)).toArray()).toBe(3);
    expect(next.programs.stored).toBe(1);
  });

  it("has captured numbers and the device's version in its key", async () => {
    const run = (scale: number) => {
      const engine = fresh();
      const f = engine.jit((x: Traced) => mx.multiply(x, scale), {
        store: { name: "f", captured: [scale] },
      });
      return f(1).then((y) => y.toArray());
    };
    expect([await run(2), await run(3), await run(2)]).toEqual([2, 3, 2]);
  });

  it("is held against the memory and the limits of the engine at hand", async () => {
    const run = async (options: EngineOptions) => {
      const engine = fresh(options);
      const f = engine.jit((x: Traced) => mx.broadcast_to(x, { shape: [1000] }), { store: "f" });
      await f(1);
      return f.programs.stored;
    };
    expect([await run({}), await run({})]).toEqual([0, 1]);
    await expect(run({ memoryLimit: 3000 })).rejects.toMatchObject({ code: "value_too_large" });
    await expect(run({ graphLimits: { nodes: 0 } })).rejects.toMatchObject({
      code: "limit_exceeded",
    });
  });

  it("refuses what is no name and what is no part of a key", async () => {
    const engine = fresh();
    for (const store of [5, {}, { name: "f", captured: 1 }, { name: "f", verify: "later" }]) {
      expect(() => engine.jit((x: Traced) => x, { store } as never)).toThrow(/expected a name/);
    }
    const f = engine.jit((x: Traced) => x, { store: { name: "f", captured: [{}] } });
    await expect(f(1)).rejects.toMatchObject({ code: "option_invalid" });
    expect(() => Engine.create({ store: "" })).toThrow(/store is ""; expected the path/);
  });

  it("is found by another process", async () => {
    const index = await built("index.js");
    const script = `
      import { Engine, mx } from ${JSON.stringify(index)};
      const engine = Engine.create({ lanes: 1, store: ${JSON.stringify(path)} });
      const f = engine.jit((x) => mx.multiply(x, 7), { store: "f" });
      console.log(await (await f([6])).toArray(), JSON.stringify(f.programs));
      await engine.close();
    `;
    const run = () => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    expect((await run()).stdout).toContain('"traced":1,"stored":0');
    expect((await run()).stdout).toBe('[ 42 ] {"kept":1,"traced":0,"stored":1,"evicted":0}\n');
    expect(readdirSync(join(path, "v1", "modules"))).toHaveLength(1);
  });

  it("is compiled again where what is kept is no program", async () => {
    const engine = fresh();
    const store = { name: "f", verify: false };
    const f = engine.jit((x: Traced) => mx.add(x, 1), { store });
    await f(1);
    const { store: files } = engine.programStore;
    const functions = [...files.modules()][0]?.functions ?? [];
    files.forget(functions[0] as string);
    files.add({ functions: [{ name: functions[0] as string, data: Buffer.from("junk") }] });
    const g = fresh().jit((x: Traced) => mx.add(x, 1), { store });
    expect(await ((await g(1)) as Tensor).toArray()).toBe(2);
    expect(g.programs).toMatchObject({ traced: 1, stored: 0 });
  });
});
