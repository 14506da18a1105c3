import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, type Fold, hook, label, mx, type Traced } from "../../src/index.js";

let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 1 });
});
afterAll(() => engine.close());

/** Rotary positions: angles that depend on constants alone. */
const rotated = (x: Traced) => {
  const positions = mx.arange({ start: 0, stop: 8, dtype: "float32" });
  const frequencies = mx.exp(mx.multiply(mx.arange({ start: 0, stop: 4, dtype: "float32" }), -2));
  const angles = mx.outer(positions, frequencies);
  return mx.add(mx.multiply(x, mx.cos(angles)), mx.sin(angles));
};

describe("fold", () => {
  it.each<Fold>(["small", "always", { maxBytes: 128 }, { maxBytes: 8 }])(
    "%o changes no result",
    async (fold) => {
      const x = engine.tensor(Array.from({ length: 8 }, (_, row) => [row, 1, 2, 3]));
      const expected = await (await engine.jit(rotated)(x)).toArray();
      const f = engine.jit(rotated, { fold });
      expect(await (await f(x)).toArray()).toEqual(expected);
      f.dispose();
    },
  );

  it("computes what depends on captured tensors once, and lets go of it with the function", async () => {
    const own = Engine.create({ lanes: 1 });
    const w = own.tensor([1, 2, 3]);
    const f = own.jit(
      (x: Traced) => mx.add(x, hook(mx.multiply(mx.square(w), 2), () => {}) as Traced),
      { fold: "always" },
    );
    const y = await f([1, 1, 1]);
    expect(await y.toArray()).toEqual([3, 9, 19]);
    f.dispose();
    for (const tensor of [w, y]) tensor.dispose();
    expect(own.info().counters).toMatchObject({ tensors: 0, programs: 0 });
    await own.close();
  });

  it("shows folded values to probes, in every run", async () => {
    const w = engine.tensor([2]);
    const f = engine.jit(
      (x: Traced) =>
        mx.add(
          x,
          label("twice", () => mx.multiply(w, 2)),
        ),
      { fold: "always" },
    );
    const seen: unknown[] = [];
    f.probe("twice", ({ value }) => {
      seen.push([...(value as Float32Array)]);
    });
    for (const _ of [1, 2]) await f([1]);
    expect(seen).toEqual([[4], [4]]);
  });

  it("is refused where it is something else, or together with a store", () => {
    expect(() => engine.jit(rotated, { fold: "sometimes" as Fold })).toThrow(
      'fold is "sometimes"; expected "never", "small", "always" or { maxBytes }',
    );
    expect(() => engine.jit(rotated, { fold: { maxBytes: Number.NaN } })).toThrow(
      expect.objectContaining({ code: "argument_invalid" }),
    );
    expect(() => engine.jit(rotated, { fold: "small", store: "f" })).toThrow("fold and store");
  });
});
