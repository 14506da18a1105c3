import { afterAll, describe, expect, it } from "vitest";
import {
  cond,
  DavitError,
  Engine,
  type Firing,
  grad,
  hook,
  hookGradient,
  jvp,
  mx,
  repeat,
  switchCase,
  type Traced,
  valueAndGrad,
  vjp,
  whileLoop,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 1 });
afterAll(() => engine.close());

describe("grad", () => {
  it("of a straight function is one native node", async () => {
    const f = engine.jit((x: Traced) => grad((y: Traced) => mx.sum(mx.square(y)))(x));
    expect(await (await f([1, 2, 3])).toArray()).toEqual([2, 4, 6]);
    const ops = f.trace([1, 2, 3]).graph.functions[0]?.nodes.map(({ op }) => op);
    expect(ops).toEqual(["constant", "vjp"]);
  });

  it("takes and gives trees, and goes through captured values", async () => {
    const data = engine.tensor([3, 5]);
    const f = engine.jit((w: Traced, b: Traced, scale: Traced) =>
      valueAndGrad((params: { w: Traced; b: Traced }) => {
        const predicted = mx.add(mx.multiply(mx.multiply(params.w, data), scale), params.b);
        return mx.sum(predicted);
      })({ w, b }),
    );
    const [value, gradient] = await f([1, 2], 10, 2);
    expect(await value.toArray()).toBe(46);
    expect(await gradient.w.toArray()).toEqual([6, 10]);
    expect(await gradient.b.toArray()).toBe(2);
  });

  it("by several arguments, with more results beside the loss", async () => {
    const f = engine.jit((x: Traced, y: Traced) =>
      valueAndGrad(
        (a: Traced, b: Traced) => [mx.sum(mx.multiply(a, b)), { n: mx.argmax(a), a }] as const,
        { argnums: [1, 0] },
      )(x, y),
    );
    const [[loss, aux], [dy, dx]] = await f([1, 2], [3, 4]);
    expect(await loss.toArray()).toBe(11);
    expect(await aux.n.toArray()).toBe(1);
    expect(await dy.toArray()).toEqual([1, 2]);
    expect(await dx.toArray()).toEqual([3, 4]);
  });

  it("of grad", async () => {
    const cube = (x: Traced) => mx.power(x, 3);
    const f = engine.jit((x: Traced) => [
      grad(cube)(x),
      grad(grad(cube))(x),
      grad(grad(grad(cube)))(x),
    ]);
    const values = await Promise.all((await f(2)).map((t) => t.toArray()));
    expect(values).toEqual([12, 12, 6]);
  });

  it("goes through the branch that is taken, and computes only that", async () => {
    const f = engine.jit((x: Traced) =>
      grad((y: Traced) =>
        cond(
          mx.greater(y, 0),
          () => mx.square(hook(y, "positive")),
          () => mx.multiply(hook(y, "negative"), 5),
        ),
      )(x),
    );
    const seen: string[] = [];
    f.on("positive", () => seen.push("positive"));
    f.on("negative", () => seen.push("negative"));
    expect(await (await f(3)).toArray()).toBe(6);
    expect(seen).toEqual(["positive"]);
    expect(await (await f(-3)).toArray()).toBe(5);
    expect(seen).toEqual(["positive", "negative"]);
  });

  it("goes through counted loops, fires hooks once, gradients backwards", async () => {
    const f = engine.jit((x: Traced, w: Traced) =>
      grad(
        (y: Traced, v: Traced) =>
          mx.sum(
            repeat(3, y, (state) =>
              hookGradient(mx.multiply(hook(state, "forward"), v), "backward"),
            ),
          ),
        { argnums: [0, 1] },
      )(x, w),
    );
    const forward: Firing[] = [];
    const backward: Firing[] = [];
    f.on("forward", (event) => forward.push(event));
    f.on("backward", (event) => backward.push(event));
    const [dx, dw] = await f([1, 2], [2, 3]);
    expect(await dx.toArray()).toEqual([8, 27]);
    expect(await dw.toArray()).toEqual([12, 54]);
    expect(forward.map(({ value }) => [...(value as Float32Array)])).toEqual([
      [1, 2],
      [2, 6],
      [4, 18],
    ]);
    expect(forward.map(({ path }) => path)).toEqual([[0], [1], [2]]);
    expect(backward.map(({ value }) => [...(value as Float32Array)])).toEqual([
      [1, 1],
      [2, 3],
      [4, 9],
    ]);
  });

  it("through loops in loops, twice", async () => {
    // ((x^2)^2)^2 = x^8
    const power = (x: Traced) => repeat(1, x, (s) => repeat(3, s, (t) => mx.multiply(t, t)));
    const f = engine.jit((x: Traced) => [grad(power)(x), grad(grad(power))(x)]);
    const values = await Promise.all((await f(1.5)).map((t) => t.toArray()));
    expect(values[0]).toBeCloseTo(8 * 1.5 ** 7, 3);
    expect(values[1]).toBeCloseTo(56 * 1.5 ** 6, 2);
  });
});
