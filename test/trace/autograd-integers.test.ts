import { afterAll, describe, expect, it } from "vitest";
import {
  cond,
  Engine,
  forLoop,
  grad,
  jvp,
  label,
  mx,
  switchCase,
  type Traced,
  whileLoop,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 1 });
afterAll(() => engine.close());

type Loss = (x: Traced) => Traced;

const WEIGHTS = [1, 10, 100];
const weighted: Loss = (x) => mx.sum(mx.multiply(mx.square(x), WEIGHTS));
const whole: Loss = (x) => mx.astype(x, { dtype: "int32" });
const float: Loss = (x) => mx.astype(x, { dtype: "float32" });
const singular = (x: Traced) => mx.linalg.svd(x)[1] as Traced;
const first = (x: Traced) => mx.take(x, mx.argmax(x));

/** Scalar functions of three numbers, and their gradients at [3, 1, 2]: what integers depend on counts as constant. */
const LOSSES: Record<string, readonly [Loss, number[]]> = {
  "take by argmax": [(x) => mx.square(first(x)), [6, 0, 0]],
  "take by argmin": [(x) => mx.square(mx.take(x, mx.argmin(x))), [0, 2, 0]],
  "take by argsort": [(x) => weighted(mx.take(x, mx.argsort(x))), [600, 2, 40]],
  "take_along_axis by argsort": [
    (x) => weighted(mx.take_along_axis(x, mx.argsort(x), { axis: 0 })),
    [600, 2, 40],
  ],
  "take by argpartition": [
    (x) => mx.square(mx.take(mx.take(x, mx.argpartition(x, { kth: 0 })), 0)),
    [0, 2, 0],
  ],
  "take by positions counted by comparison": [
    (x) => mx.square(mx.take(x, mx.sum(whole(mx.less([0, 0.5, 2.5], x)), { axes: [0] }))),
    [0, 0, 4],
  ],
  "one-hot by comparison": [
    (x) => mx.sum(mx.multiply(float(mx.equal(mx.argmax(x), [0n, 1n, 2n])), mx.square(x))),
    [6, 0, 0],
  ],
  "where by a comparison": [
    (x) => mx.sum(mx.where(mx.greater(x, 1.5), mx.square(x), mx.multiply(x, 5))),
    [6, 5, 4],
  ],
  "a cast to integers and back": [(x) => mx.sum(mx.multiply(float(whole(x)), x)), [3, 1, 2]],
  "a cast to booleans and back": [
    (x) => mx.sum(mx.multiply(float(mx.astype(x, { dtype: "bool" })), x)),
    [1, 1, 1],
  ],
  "bits seen as integers and back": [
    (x) => mx.sum(mx.multiply(mx.view(mx.view(x, { dtype: "int32" }), { dtype: "float32" }), x)),
    [3, 1, 2],
  ],
  "arithmetic on integers": [
    (x) => mx.square(mx.take(x, mx.remainder(mx.add(mx.argmax(x), 1), 3))),
    [0, 2, 0],
  ],
  "a slice that starts at a computed place": [
    (x) =>
      mx.sum(
        mx.square(
          mx.dynamic_slice(x, mx.reshape(mx.argmin(x), { shape: [1] }), {
            axes: [0],
            slice_size: [2],
          }),
        ),
      ),
    [0, 2, 4],
  ],
  "integers alone": [(x) => mx.sum(float(mx.argsort(x))), [0, 0, 0]],
  "in a branch": [
    (x) =>
      cond(
        mx.greater(mx.sum(x), 0),
        () => mx.square(first(x)),
        () => mx.sum(x),
      ),
    [6, 0, 0],
  ],
  "a branch by index": [
    (x) =>
      switchCase(mx.argmax(x), [() => mx.square(mx.take(x, 1)), () => mx.sum(x), () => mx.sum(x)]),
    [0, 2, 0],
  ],
  "in a loop": [
    (x) => forLoop(2, mx.multiply(mx.sum(x), 0), (s) => mx.add(s, mx.square(first(x)))),
    [12, 0, 0],
  ],
  "an index that a loop carries": [
    (x) =>
      forLoop(2, { at: mx.argmax(x), sum: mx.multiply(mx.sum(x), 0) }, ({ at, sum }) => ({
        at: mx.astype(mx.remainder(mx.add(at, 1), 3), { dtype: "uint32" }),
        sum: mx.add(sum, mx.square(mx.take(x, at))),
      })).sum,
    [6, 2, 0],
  ],
  "an index from a loop of integers": [
    (x) => {
      const at = whileLoop(
        mx.argmax(x),
        (n) => mx.less(n, 2),
        (n) => mx.add(n, 1),
      );
      return mx.square(mx.take(x, at));
    },
    [0, 0, 4],
  ],
  "the best of a tree of branches and loops": [
    (x) =>
      forLoop(2, first(x), (s) =>
        cond(
          mx.greater(s, 5),
          () => mx.multiply(s, mx.take(x, mx.argmin(x))),
          () => mx.square(s),
        ),
      ),
    // 3 -> 9 -> 9 * 1
    [6, 9, 0],
  ],
};

describe.each(Object.entries(LOSSES))("through %s", (_, [loss, expected]) => {
  it("the gradient counts what is an integer as constant", async () => {
    const f = engine.jit((x: Traced) => grad(loss)(x));
    expect(await (await f([3, 1, 2])).toArray()).toEqual(expected);
  });

  it("the tangent is the same", async () => {
    const f = engine.jit((x: Traced) =>
      [0, 1, 2].map((at) => {
        const direction = [0, 0, 0].map((_zero, index) => Number(index === at));
        return jvp(loss, [x], [Float32Array.from(direction)])[1];
      }),
    );
    const tangents = await Promise.all((await f([3, 1, 2])).map((tangent) => tangent.toArray()));
    expect(tangents).toEqual(expected);
  });
});

it("derivatives of derivatives go through indices too", async () => {
  const cube: Loss = (x) => mx.power(first(x), 3);
  const sorted: Loss = (x) => mx.sum(mx.multiply(mx.power(mx.sort(x), 3), WEIGHTS));
  const twice = (loss: Loss) => (x: Traced) => grad((y: Traced) => mx.sum(grad(loss)(y)))(x);
  const f = engine.jit((x: Traced) => [twice(cube)(x), twice(sorted)(x)]);
  const values = await Promise.all((await f([3, 1, 2])).map((value) => value.toArray()));
  expect(values).toEqual([
    [18, 0, 0],
    [1800, 6, 120],
  ]);
});

it("captured numbers and random choices are constants", async () => {
  const f = engine.jit((x: Traced) => {
    const key = mx.random.key({ seed: 3 });
    const at = mx.random.randint(key, 0, 3, { shape: [], dtype: "int32" });
    return [
      at,
      grad((y: Traced) => mx.square(mx.take(y, mx.random.categorical(key, y))))(x),
      grad((y: Traced) => mx.square(mx.take(y, at)))(x),
    ];
  });
  const [at, chosen, drawn] = await Promise.all(
    (await f([-100, 100, -100])).map((value) => value.toArray()),
  );
  expect(chosen).toEqual([0, 200, 0]);
  expect(drawn).toEqual([-200, 200, -200].map((value, index) => (index === at ? value : 0)));
});

it("an op without a derivative is named, with its label", async () => {
  const f = engine.jit((x: Traced) =>
    grad((y: Traced) => label("decomposition", () => mx.sum(singular(y))))(x),
  );
  await expect(
    f([
      [3, 1],
      [2, 5],
    ]),
  ).rejects.toMatchObject({
    code: "derivative_unsupported",
    op: "linalg.svd",
    label: "decomposition.linalg.svd",
  });
  const g = engine.jit(
    (x: Traced) => jvp((y: Traced) => label("scan", () => singular(y)), [x], [x])[1],
  );
  await expect(
    g([
      [3, 1],
      [2, 5],
    ]),
  ).rejects.toMatchObject({
    code: "derivative_unsupported",
    op: "linalg.svd",
  });
});
