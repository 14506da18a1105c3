import { afterAll, describe, expect, it } from "vitest";
import {
  callback,
  cond,
  DavitError,
  Engine,
  type Event,
  forLoop,
  grad,
  hook,
  hookGradient,
  jvp,
  label,
  mx,
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
            forLoop(3, y, (state) =>
              hookGradient(mx.multiply(hook(state, "forward"), v), "backward"),
            ),
          ),
        { argnums: [0, 1] },
      )(x, w),
    );
    const forward: Event[] = [];
    const backward: Event[] = [];
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
    const power = (x: Traced) => forLoop(1, x, (s) => forLoop(3, s, (t) => mx.multiply(t, t)));
    const f = engine.jit((x: Traced) => [grad(power)(x), grad(grad(power))(x)]);
    const values = await Promise.all((await f(1.5)).map((t) => t.toArray()));
    expect(values[0]).toBeCloseTo(8 * 1.5 ** 7, 3);
    expect(values[1]).toBeCloseTo(56 * 1.5 ** 6, 2);
  });
});

describe("grad, further", () => {
  it("of what captures tensors inside loops", async () => {
    const weight = engine.tensor([2, 3]);
    const f = engine.jit((x: Traced) =>
      grad((y: Traced) => mx.sum(forLoop(2, y, (s) => mx.multiply(s, weight))))(x),
    );
    expect(await (await f([1, 1])).toArray()).toEqual([4, 9]);
  });

  it("inside a loop: gradient descent", async () => {
    const f = engine.jit((start: Traced, data: Traced) =>
      forLoop(200, { w: start, loss: 0 }, ({ w }) => {
        const [loss, gradient] = valueAndGrad((v: Traced) =>
          mx.mean(mx.square(mx.subtract(v, data))),
        )(w);
        return { w: mx.subtract(w, mx.multiply(gradient, 0.5)), loss: hook(loss, "loss") };
      }),
    );
    const losses: number[] = [];
    f.on("loss", ({ value }) => losses.push((value as Float32Array)[0] as number));
    const { w } = await f([0, 0], [3, -4]);
    const [a, b] = (await w.toArray()) as [number, number];
    expect(a).toBeCloseTo(3, 4);
    expect(b).toBeCloseTo(-4, 4);
    expect(losses).toHaveLength(200);
    expect(losses[0]).toBe(12.5);
    expect(losses.at(-1)).toBeLessThan(1e-8);
  });

  it("through a recurrent network, with integers beside", async () => {
    // h <- tanh(w h + e[token]); loss = sum h
    const tokens = [2, 0, 1, 2];
    const f = engine.jit((w: Traced, e: Traced, ids: Traced) =>
      valueAndGrad((p: { w: Traced; e: Traced }, t: Traced) => {
        const { h } = forLoop(
          4,
          { h: mx.zeros({ shape: [2], dtype: "float32" }), n: 0n },
          (s, i) => ({
            h: mx.tanh(
              mx.add(mx.matmul(p.w, s.h), mx.take(p.e, mx.take(t, i, { axis: 0 }), { axis: 0 })),
            ),
            n: mx.add(s.n, 1n),
          }),
        );
        return mx.sum(h);
      })({ w, e }, ids),
    );
    const w = [
      [0.3, -0.2],
      [0.5, 0.1],
    ];
    const e = [
      [0.1, 0.2],
      [-0.3, 0.4],
      [0.5, -0.6],
    ];
    const loss = (w: number[][], e: number[][]) => {
      let h = [0, 0];
      for (const token of tokens) {
        h = h.map((_x, r) =>
          Math.tanh(
            (w[r]?.[0] as number) * (h[0] as number) +
              (w[r]?.[1] as number) * (h[1] as number) +
              (e[token]?.[r] as number),
          ),
        );
      }
      return (h[0] as number) + (h[1] as number);
    };
    const [value, gradient] = await f(w, e, new Int32Array(tokens));
    expect(await value.toArray()).toBeCloseTo(loss(w, e), 5);
    const moved = (m: number[][], r: number, c: number, by: number) =>
      m.map((row, i) => row.map((x, k) => (i === r && k === c ? x + by : x)));
    const dw = (await gradient.w.toArray()) as number[][];
    const de = (await gradient.e.toArray()) as number[][];
    for (const c of [0, 1]) {
      for (const r of [0, 1]) {
        const quotient = (loss(moved(w, r, c, 1e-6), e) - loss(moved(w, r, c, -1e-6), e)) / 2e-6;
        expect(dw[r]?.[c]).toBeCloseTo(quotient, 4);
      }
      for (const r of [0, 1, 2]) {
        const quotient = (loss(w, moved(e, r, c, 1e-6)) - loss(w, moved(e, r, c, -1e-6))) / 2e-6;
        expect(de[r]?.[c]).toBeCloseTo(quotient, 4);
      }
    }
  });

  it("of a straight function that hooks values and gradients", async () => {
    const seen: [string, number[]][] = [];
    const keep = (name: string) => (event: Event) =>
      void seen.push([name, [...(event.value as Float32Array)]]);
    const f = engine.jit((x: Traced) =>
      grad((y: Traced) => {
        const z = hookGradient(hook(mx.square(y), keep("value")), keep("gradient"));
        return mx.sum(mx.multiply(z, 3));
      })(x),
    );
    expect(await (await f([1, 2])).toArray()).toEqual([6, 12]);
    expect(seen).toEqual([
      ["value", [1, 4]],
      ["gradient", [3, 3]],
    ]);
  });

  it("a hook on gradients is silent where nothing is differentiated", async () => {
    const f = engine.jit((x: Traced) => forLoop(2, x, (s) => hookGradient(mx.add(s, 1), "quiet")));
    let fired = 0;
    f.on("quiet", () => fired++);
    expect(await (await f(1)).toArray()).toBe(3);
    expect(fired).toBe(0);
  });

  it("a probe sees a value once", async () => {
    const f = engine.jit((x: Traced) =>
      grad((y: Traced) =>
        mx.sum(forLoop(2, y, (s) => label("step", () => mx.multiply(mx.sin(s), s)))),
      )(x),
    );
    const sines: number[] = [];
    f.probe("step.sin", ({ value }) => sines.push((value as Float32Array)[0] as number));
    await f([1]);
    expect(sines).toHaveLength(2);
    expect(sines[0]).toBeCloseTo(Math.sin(1), 5);
  });

  it("loops that do not matter may be of any kind", async () => {
    const f = engine.jit((x: Traced, n: Traced) =>
      grad((y: Traced) => {
        const steps = whileLoop(
          n,
          (k) => mx.greater(k, 1),
          (k) => mx.floor_divide(k, 2),
        );
        const size = whileLoop(
          mx.stop_gradient(y),
          (s) => mx.less(s, 10),
          (s) => mx.multiply(s, 2),
        );
        return mx.multiply(mx.multiply(y, mx.astype(steps, { dtype: "float32" })), size);
      })(x),
    );
    expect(await (await f(3, engine.tensor(8, "int32"))).toArray()).toBe(12);
  });
});

describe("vjp and jvp", () => {
  it("give products of the Jacobian, in the trees of arguments and results", async () => {
    const fn = (p: { a: Traced; n: Traced }, b: Traced) => ({
      product: mx.multiply(p.a, b),
      index: mx.add(p.n, 1),
    });
    const f = engine.jit(
      (a: Traced, b: Traced, n: Traced) =>
        [
          vjp(fn, [{ a, n }, b], { product: new Float32Array([1, 10]), index: n }),
          jvp(fn, [{ a, n }, b], [{ a: new Float32Array([1, 0]), n }, new Float32Array([0, 1])]),
        ] as const,
    );
    const [[outputs, gradients], [same, tangents]] = await f(
      [2, 3],
      [5, 7],
      engine.tensor(4, "int32"),
    );
    expect(await outputs.product.toArray()).toEqual([10, 21]);
    expect(await outputs.index.toArray()).toBe(5);
    expect(await gradients[0].a.toArray()).toEqual([5, 70]);
    expect(await gradients[0].n.toArray()).toBe(0);
    expect(await gradients[1].toArray()).toEqual([2, 30]);
    expect(await same.product.toArray()).toEqual([10, 21]);
    expect(await tangents.product.toArray()).toEqual([5, 3]);
    expect(await tangents.index.toArray()).toBe(0);
  });

  it("jvp goes through branches and loops of any count, and fires hooks once", async () => {
    const f = engine.jit((x: Traced, n: Traced) =>
      jvp(
        (y: Traced) =>
          forLoop(n, y, (s) =>
            cond(
              mx.greater(s, 100),
              () => s,
              () => hook(mx.square(s), "squared"),
            ),
          ),
        [x],
        [1],
      ),
    );
    const seen: unknown[] = [];
    f.on("squared", ({ value, path }) => seen.push([(value as Float32Array)[0], ...path]));
    // 2, 4, 16, 256, 256: the derivative of x^8 at 2
    const [value, tangent] = await f(2, engine.tensor(5, "int32"));
    expect(await value.toArray()).toBe(256);
    expect(await tangent.toArray()).toBe(8 * 2 ** 7);
    expect(seen).toEqual([
      [4, 0],
      [16, 1],
      [256, 2],
    ]);
  });

  it("jvp of grad is a product with the Hessian", async () => {
    const f = engine.jit((x: Traced, v: Traced) =>
      jvp(
        grad((y: Traced) => mx.sum(forLoop(2, y, (s) => mx.square(s)))),
        [x],
        [v],
      ),
    );
    // sum x^4: 4 x^3, 12 x^2 v
    const [gradient, product] = await f([1, 2], [1, 10]);
    expect(await gradient.toArray()).toEqual([4, 32]);
    expect(await product.toArray()).toEqual([12, 480]);
  });
});

describe("refuses", () => {
  const F32 = { dtype: "float32", shape: [] } as const;
  it.each<[string, (x: Traced, n: Traced) => unknown, string, RegExp]>([
    [
      "a loop that ends by its data",
      (x) =>
        grad((y: Traced) =>
          label("part", () =>
            whileLoop(
              y,
              (s) => mx.less(s, 10),
              (s) => mx.multiply(s, 2),
            ),
          ),
        )(x),
      "derivative_unsupported",
      /while has no derivative here; expected a loop with a count.*label "part"/,
    ],
    [
      "a loop that ends by its data in a branch, forwards",
      (x) =>
        jvp(
          (y: Traced) =>
            cond(
              true,
              () =>
                whileLoop(
                  y,
                  (s) => mx.less(s, 10),
                  (s) => mx.multiply(s, 2),
                ),
              () => y,
            ),
          [x],
          [1],
        )[0],
      "derivative_unsupported",
      /while has no derivative here/,
    ],
    [
      "a loop with a count that is not known, backwards",
      (x, n) => grad((y: Traced) => forLoop(n, y, (s) => mx.multiply(s, 2)))(x),
      "derivative_unsupported",
      /for has no derivative here; expected a count that is a number/,
    ],
    [
      "a call to a handler",
      (x) => grad((y: Traced) => callback(y, "handler", [F32])[0] as Traced)(x),
      "derivative_unsupported",
      /custom_call.callback has no derivative here; expected stop_gradient around it/,
    ],
    [
      "a call in a loop, which would be made twice",
      (x) =>
        grad((y: Traced) =>
          forLoop(2, y, (s) =>
            mx.multiply(s, callback(mx.stop_gradient(s), "handler", [F32])[0] as Traced),
          ),
        )(x),
      "derivative_unsupported",
      /custom_call.callback has no derivative here; expected no call in a loop or branch/,
    ],
    [
      "an integer argument",
      (_x, n) => grad((k: Traced) => mx.astype(k, { dtype: "float32" }))(n),
      "derivative_unsupported",
      /argument 0 holds int32\[\]; expected floating or complex tensors/,
    ],
    [
      "a loss that is no scalar",
      (x) => grad((y: Traced) => mx.stack([y, y], {}))(x),
      "derivative_unsupported",
      /the function returns float32\[2\]; expected a real floating scalar/,
    ],
    [
      "a loss in an object",
      (x) => grad((y: Traced) => ({ y }))(x),
      "derivative_unsupported",
      /the function returns no value first/,
    ],
    [
      "an argument that there is not",
      (x) => grad((y: Traced) => y, { argnums: 1 as 0 })(x),
      "attribute_invalid",
      /argnums is \[1\]; expected different numbers below 1/,
    ],
    [
      "cotangents of another type",
      (x) => vjp((y: Traced) => y, [x], [1, 2])[0],
      "type_mismatched",
      /the cotangents are \(float32\[\], float32\[\]\); expected \(float32\[\]\)/,
    ],
    [
      "tangents in another tree",
      (x) => jvp((y: { y: Traced }) => y.y, [{ y: x }], [1])[0],
      "type_mismatched",
      /the tangents are \[\*\]; expected \[\{"y": \*\}\]/,
    ],
  ])("%s", async (_name, fn, code, message) => {
    const run = engine.jit(fn as never)(1, engine.tensor(3, "int32"));
    const error = await run.then(
      () => new Error("nothing was thrown"),
      (reason: DavitError) => reason,
    );
    expect(error.message).toMatch(message);
    expect(error).toBeInstanceOf(DavitError);
    expect((error as DavitError).code).toBe(code);
  });

  it("outside a traced function", () => {
    expect(() => grad((x: Traced) => x)(1)).toThrow(/grad was called outside a traced function/);
  });
});
