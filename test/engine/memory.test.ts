import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callback, Engine, mx, type Tensor, type Traced } from "../../src/index.js";
import { native } from "../../src/native.js";
import { built } from "../support/built.js";
import { eventually } from "../support/eventually.js";

const MEGABYTES = 2 ** 20;
/** 16 MB of float32. */
const LARGE = 4 * MEGABYTES;

let engine: Engine;
let dist: string;

beforeAll(async () => {
  engine = Engine.create({ lanes: 2, memoryLimit: 160 * MEGABYTES, cacheLimit: 0 });
  dist = await built("index.js");
});
afterAll(() => engine.close());

const active = () => engine.info().memory.active;
const tensors = () => engine.info().counters.tensors as number;
const large = () => engine.tensor(new Float32Array(LARGE));

describe.each([false, true])("a loop of its own process, with hooks: %s", (hooks) => {
  it.each([
    ["of 16 MB", LARGE, 200],
    ["of 64 KiB", 16_384, 3000],
  ])(
    "that drops tensors %s holds no more than three times what is alive",
    async (_, size, steps) => {
      const script = fileURLToPath(new URL("../support/loop.mjs", import.meta.url));
      const args = [script, dist, `${size}`, `${steps}`, `${hooks}`];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const { peak, tensors: most, fired, last } = JSON.parse(stdout);
      expect(last).toBe(steps);
      expect(fired).toBe(hooks ? steps : 0);
      // Two tensors are alive, and the number that is added. Less than 32 MB are not worth a collection.
      const alive = 2 * 4 * size + 4;
      expect(peak).toBeLessThanOrEqual(Math.max(3 * alive, 64 * MEGABYTES));
      expect(most).toBeLessThan(2000);
    },
  );
});

describe("what runs out of memory", () => {
  it("in a lane is tried again once garbage is collected", async () => {
    const step = engine.jit((x: Traced) => mx.add(x, 1));
    let w = large();
    for (let i = 0; i < 40; i++) w = await step(w);
    expect(w.view().slice(0, 2)).toEqual(Float32Array.of(40, 40));
    w.dispose();
  });

  it("on this thread is tried again, in one turn of the event loop", () => {
    for (let i = 0; i < 40; i++) large();
    expect(active()).toBeLessThanOrEqual(160 * MEGABYTES);
  });

  it("finds what only forgotten views held", async () => {
    const step = engine.jit((x: Traced) => mx.add(x, 1));
    for (let i = 0; i < 20; i++) {
      const x = large();
      x.view();
      x.dispose();
      const y = await step(large());
      y.view();
      y.dispose();
    }
  });

  it("fails where all of it is in use, and is there again when it was freed", async () => {
    const kept: Tensor[] = [];
    const fill = () => {
      for (;;) kept.push(large());
    };
    expect(fill).toThrow(expect.objectContaining({ code: "memory_exhausted" }));
    // What the views of others held is given back in a turn of the event loop.
    await new Promise(setImmediate);
    expect(fill).toThrow(expect.objectContaining({ code: "memory_exhausted" }));
    expect(kept.length).toBeGreaterThan(5);
    const step = engine.jit((x: Traced) => mx.add(x, 1));
    await expect(step(kept[0] as Tensor)).rejects.toMatchObject({ code: "memory_exhausted" });
    for (const tensor of kept) tensor.dispose();
    expect(await (await step(1)).toArray()).toBe(2);
  });
});

describe("a call whose values find no memory", () => {
  it("fails its run, and frees the values that were there", async () => {
    const one = Engine.create({ lanes: 1 });
    const f = one.jit((x: Traced) =>
      callback([x, mx.sum(x)], () => 1, [{ dtype: "float32", shape: [] }]),
    );
    const x = one.tensor(new Float32Array(10_000));
    // Only small values are put.
    const value = () => {
      throw Object.assign(new Error("no memory"), { code: "memory_exhausted" });
    };
    Object.defineProperty(one.native, "put", { value });
    await expect(f(x)).rejects.toMatchObject({ code: "memory_exhausted" });
    x.dispose();
    await eventually(() => {
      native().collect();
      expect(one.info().counters.tensors).toBe(0);
    });
    await one.close();
  });
});

describe("a tensor", () => {
  it("weighs for V8 what it holds, until it is disposed of", () => {
    const { external, held } = native().collectorState();
    const x = engine.fromBytes(new Uint8Array(MEGABYTES), { dtype: "uint8", shape: [MEGABYTES] });
    const more = native().collectorState();
    expect(more.external - external).toBeGreaterThanOrEqual(MEGABYTES);
    expect(more.held - held).toBe(more.external - external);
    // V8 counts the buffer itself.
    x.view();
    expect(native().collectorState()).toMatchObject({
      held: more.held + MEGABYTES,
      external: more.external,
    });
    x.dispose();
    expect(native().collectorState().external).toBe(external);
  });

  it("that is forgotten is freed in the next collection, others stay", async () => {
    native().collect();
    const before = tensors();
    // In a function of its own: what it leaves behind on the stack would keep the last one.
    const make = () => {
      const kept: [number, Tensor][] = [];
      for (let i = 0; i < 5000; i++) {
        const x = engine.tensor([i]);
        if (i % 7 === 0) x.dispose();
        else if (i % 5 === 0) kept.push([i, x]);
        if (i % 1000 === 0) native().collect();
      }
      return kept;
    };
    const kept = make();
    engine.tensor(0).dispose();
    native().collect();
    expect(tensors() - before).toBeLessThanOrEqual(kept.length + 1);
    for (const [i, tensor] of kept) expect(await tensor.toArray()).toEqual([i]);
    kept.length = 0;
    await eventually(() => {
      native().collect();
      expect(tensors() - before).toBeLessThanOrEqual(1);
    });
  });

  it("that is forgotten is freed in its turn where V8 collects by itself", async () => {
    const before = tensors();
    const { collections } = native().collectorState();
    (() => {
      for (let i = 0; i < 100; i++) engine.tensor([i]);
    })();
    // Garbage of JavaScript's own makes V8 collect.
    await eventually(() => {
      for (let i = 0; i < 100; i++) new Array(10_000).fill({});
      expect(tensors() - before).toBeLessThanOrEqual(1);
    });
    expect(native().collectorState().collections).toBe(collections);
  });

  it("is read anew where its bytes were transferred", async () => {
    const x = engine.tensor([7, 8, 9]);
    const bytes = await x.bytes();
    const taken = structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    expect(bytes.byteLength).toBe(0);
    expect(Buffer.compare(await x.bytes(), taken)).toBe(0);
    const { port1 } = new MessageChannel();
    port1.postMessage(null, [x.view().buffer as ArrayBuffer]);
    expect(x.view()).toEqual(Float32Array.of(7, 8, 9));
    port1.close();
  });
});
