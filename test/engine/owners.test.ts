import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, Module, materialize, mx, type Parameter, type Traced } from "../../src/index.js";
import { native } from "../../src/native.js";
import { eventually } from "../support/eventually.js";

const MEGABYTES = 2 ** 20;
let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 1, memoryLimit: 512 * MEGABYTES, cacheLimit: 3 * MEGABYTES });
});
afterAll(() => engine.close());

const owners = (kind: string) => engine.memory().owners.filter((owner) => owner.kind === kind);
const bytes = (kind: string) => owners(kind).reduce((sum, owner) => sum + owner.bytes, 0);
/** 1 MiB of float32, of its own. */
const large = () => engine.tensor(new Float32Array(MEGABYTES / 4));

class Scale extends Module {
  constructor(readonly weight: Parameter) {
    super();
  }
  forward(x: Traced): Traced {
    return mx.multiply(x, this.weight);
  }
}

describe("the memory of an engine", () => {
  it("is what is in use, was in use and is kept, within its limits", async () => {
    const x = large();
    const { active, peak, limit, cacheLimit } = engine.memory();
    expect(active).toBeGreaterThanOrEqual(MEGABYTES);
    expect(peak).toBeGreaterThanOrEqual(active);
    expect([limit, cacheLimit]).toEqual([512 * MEGABYTES, 3 * MEGABYTES]);
    x.dispose();
    const after = engine.memory();
    expect(after.active).toBeLessThanOrEqual(active - MEGABYTES);
    expect(after.cached).toBeGreaterThanOrEqual(MEGABYTES);
    for (const tensor of Array.from({ length: 8 }, large)) tensor.dispose();
    expect(engine.memory().cached).toBeLessThanOrEqual(3 * MEGABYTES);
  });

  it("counts a buffer once for each owner, and nothing that is not computed or read", async () => {
    const before = bytes("tensors");
    const x = large();
    const same = engine.share(x);
    const reshaped = await engine.jit((x: Traced) => mx.reshape(x, { shape: [2, -1] }))(x);
    const lazy = engine.lazyTensor({ dtype: "uint8", shape: [MEGABYTES] }, () => new Uint8Array());
    const grown = bytes("tensors") - before;
    expect(grown).toBeGreaterThanOrEqual(MEGABYTES);
    expect(grown).toBeLessThan(1.1 * MEGABYTES);
    for (const tensor of [x, same, reshaped, lazy]) tensor.dispose();
    expect(bytes("tensors")).toBe(before);
  });

  it("is that of a function's constants until it is disposed of", async () => {
    const before = bytes("programs");
    const w = large();
    const f = engine.jit((x: Traced) => mx.sum(mx.multiply(x, w)));
    await f(2);
    w.dispose();
    expect(bytes("programs") - before).toBeGreaterThanOrEqual(MEGABYTES);
    f.dispose();
    expect(bytes("programs")).toBe(before);
  });

  it("is that of a state, also after steps, and lists none that was forgotten", async () => {
    const step = engine.jit((s: Traced, x: Traced) => [mx.add(s, x), x] as const);
    const make = async () => {
      const state = engine.state(large());
      await state.exclusive((held) => held.apply(step, [1]));
      const [owner] = owners("state");
      expect(owner).toMatchObject({ name: "float32[262144]", tensors: 1 });
      expect(owner?.bytes).toBeGreaterThanOrEqual(MEGABYTES);
      state.dispose();
      expect(owners("state")).toMatchObject([{ tensors: 0, bytes: 0 }]);
    };
    await make();
    await eventually(() => {
      native().collect();
      expect(owners("state")).toEqual([]);
    });
  });

  it("is that of a materialized module, which is listed by its class as long as it lives", async () => {
    const make = async () => {
      const fixed = await materialize(new Scale(large()));
      const [owner] = owners("model");
      expect(owner).toMatchObject({ name: "Scale", tensors: 1 });
      expect(owner?.bytes).toBeGreaterThanOrEqual(MEGABYTES);
      return fixed.training;
    };
    expect(await make()).toBe(false);
    await eventually(() => {
      native().collect();
      expect(owners("model")).toEqual([]);
    });
  });
});
