import { afterAll, describe, expect, it } from "vitest";
import {
  cond,
  Engine,
  forLoop,
  hook,
  label,
  mx,
  switchCase,
  type Traced,
  vjp,
  whileLoop,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 2, memoryLimit: 2 ** 26 });
afterAll(() => engine.close());

/** LAPACK fails here, on a stream's thread where streams have one, if `x` is 0. */
const inverse = (x: Traced) => label("inverse", () => mx.linalg.inv(x));

/** Two tensors of 48 MiB at once, of which the limit allows one. */
const tooLarge = (x: Traced) =>
  label("large", () => {
    const [one, two] = [1, 2].map((n) => {
      const part = mx.broadcast_to(mx.add(x, n), { shape: [2 ** 22, 1] });
      return mx.concatenate([part, part, part], { axis: 1 });
    }) as [Traced, Traced];
    return mx.reshape(mx.max(mx.multiply(one, two)), { shape: [1, 1] });
  });

const fails: [string, (x: Traced) => Traced, { code: string; label: RegExp }][] = [
  ["what LAPACK refuses", inverse, { code: "mlx_failed", label: /^inverse/ }],
  ["what does not fit", tooLarge, { code: "memory_exhausted", label: /^large/ }],
];

/** Programs that fail at 3 - x = 0, after some that does not matter. */
const places: [string, (x: Traced, fail: (x: Traced) => Traced) => Traced][] = [
  ["in a segment", (x, fail) => mx.add(fail(mx.subtract(x, 3)), mx.exp(x))],
  [
    "in a branch",
    (x, fail) =>
      cond(
        mx.equal(mx.sum(x), 3),
        () => fail(mx.subtract(x, 3)),
        () => x,
      ),
  ],
  [
    "in a case",
    (x, fail) =>
      switchCase(mx.astype(mx.sum(x), { dtype: "int32" }), [
        () => x,
        () => x,
        () => x,
        () => mx.exp(fail(mx.subtract(x, 3))),
      ]),
  ],
  [
    "in the body of a loop that depends on data",
    (x, fail) =>
      whileLoop(
        { i: mx.multiply(x, 0), y: x },
        ({ i, y }) => mx.less(mx.sum(mx.add(i, mx.multiply(y, 0))), 5),
        ({ i, y }) => ({
          i: mx.add(i, 1),
          y: mx.add(y, mx.multiply(fail(mx.subtract(x, i)), 0)),
        }),
      ).y,
  ],
  [
    "in the predicate of a loop",
    (x, fail) =>
      whileLoop(
        mx.multiply(x, 0),
        (i) => mx.less(mx.sum(mx.multiply(fail(mx.subtract(x, i)), 0)), 5),
        (i) => mx.add(i, 1),
      ),
  ],
  [
    "in a loop that counts",
    (x, fail) =>
      forLoop(300, x, (y, i) =>
        mx.add(y, fail(mx.subtract(mx.multiply(x, 80), mx.astype(i, { dtype: "float32" })))),
      ),
  ],
  [
    "in a loop in a loop",
    (x, fail) =>
      forLoop(10, x, (y, i) =>
        cond(
          mx.less(i, 5),
          () => y,
          () =>
            forLoop(10, y, (z, j) =>
              mx.add(z, fail(mx.subtract(mx.multiply(x, 2), mx.astype(j, { dtype: "float32" })))),
            ),
        ),
      ),
  ],
  [
    "in a function that is differentiated",
    (x, fail) =>
      vjp(
        (y: Traced) => mx.add(mx.sum(y), mx.sum(mx.stop_gradient(fail(mx.subtract(y, 3))))),
        [x],
        mx.ones({ shape: [], dtype: "float32" }),
      )[0],
  ],
];

describe.each(fails)("a failure by %s", (_, fail, expected) => {
  it.each(places)("%s names its node", async (_place, program) => {
    const f = engine.jit((x: Traced) => program(x, fail));
    await expect(f([[3]])).rejects.toMatchObject({
      code: expected.code,
      label: expect.stringMatching(expected.label),
    });
    // The same lane goes on.
    expect(await (await engine.jit((x: Traced) => mx.add(x, 1))([[3]])).toArray()).toEqual([[4]]);
  });
});

it("no hook is told what comes behind a failure", async () => {
  const told: string[] = [];
  const tell = (name: string, x: Traced) =>
    hook(x, ({ path, value }) => {
      told.push(`${name} ${path} ${(value as Float32Array)[0]}`);
    });
  const f = engine.jit((x: Traced) =>
    forLoop(100, x, (_, i) => {
      const left = tell("left", mx.subtract(x, mx.astype(i, { dtype: "float32" })));
      return tell("sum", mx.add(tell("inverse", inverse(left)), 1));
    }),
  );
  for (const at of [0, 1, 37, 99]) {
    await expect(f([[at]])).rejects.toMatchObject({ label: expect.stringMatching(/^inverse/) });
    const all = Array.from({ length: at }, (_, i) => {
      const value = Math.fround(1 / (at - i));
      return [`left ${i} ${at - i}`, `inverse ${i} ${value}`, `sum ${i} ${Math.fround(value + 1)}`];
    });
    // Those before it may be missing at the end, as what failed did not wait for them.
    const expected = [...all.flat(), `left ${at} 0`];
    expect(told).toEqual(expected.slice(0, told.length));
    // The first pass of a loop is evaluated alone.
    if (at > 0) expect(told.length).toBeGreaterThanOrEqual(3);
    told.length = 0;
  }
});
