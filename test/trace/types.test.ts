import { expectTypeOf, it } from "vitest";
import {
  type Engine,
  forLoop,
  grad,
  jvp,
  mx,
  type Operand,
  type Tensor,
  type Traced,
  valueAndGrad,
  vjp,
  whileLoop,
} from "../../src/index.js";

// Held against the types by tsc; nothing here runs.

it("functions of mx", () => {
  expectTypeOf(mx.add).parameters.toEqualTypeOf<[Operand, Operand]>();
  expectTypeOf(mx.add).returns.toEqualTypeOf<Traced>();
  expectTypeOf(mx.clip).parameters.toEqualTypeOf<[Operand, Operand | null, Operand | null]>();
  expectTypeOf(mx.concatenate).parameter(0).toEqualTypeOf<readonly Operand[]>();
  expectTypeOf(mx.split).returns.toEqualTypeOf<Traced[]>();
  expectTypeOf(mx.linalg.qr).returns.toEqualTypeOf<[Traced, Traced]>();
  expectTypeOf(mx.linalg.svd).returns.toExtend<Traced | Traced[]>();
  expectTypeOf(mx.fast.rms_norm).returns.toEqualTypeOf<Traced>();
  expectTypeOf(mx.reshape)
    .parameter(1)
    .toExtend<{ readonly shape: readonly (number | bigint)[] }>();
  // biome-ignore lint/complexity/noBannedTypes: an op whose attributes are all optional
  expectTypeOf(mx.sum).parameter(1).toExtend<{} | undefined>();

  const wrong = (x: Traced) => {
    // @ts-expect-error an operand is missing
    mx.add(x);
    // @ts-expect-error an attribute that is needed is missing
    mx.reshape(x);
    // @ts-expect-error there is no such attribute
    mx.sum(x, { axis: [0] });
    // @ts-expect-error a dtype that there is not
    mx.astype(x, { dtype: "float31" });
    // @ts-expect-error an operand that is no tensor
    mx.exp("x");
  };
  expectTypeOf(wrong).toBeFunction();
});

it("loops keep the tree of their carries", () => {
  const loop = (x: Traced) =>
    whileLoop(
      { pair: [x, 1] as const, n: 0n },
      ({ n }) => {
        expectTypeOf(n).toEqualTypeOf<Traced>();
        return mx.less(n, 3);
      },
      (state) => state,
    );
  expectTypeOf(loop).returns.toEqualTypeOf<{ pair: [Traced, Traced]; n: Traced }>();
  const counted = (x: Traced) => forLoop(3, [x, x], (state, i) => state.map((s) => mx.add(s, i)));
  expectTypeOf(counted).returns.toEqualTypeOf<Traced[]>();
});

it("gradients have the tree of the argument", () => {
  interface Layer {
    w: Traced;
    b: Traced;
  }
  const loss = (params: { layers: Layer[] }, x: Traced) => mx.sum(mx.add(x, params.layers.length));
  expectTypeOf(grad(loss)).returns.toEqualTypeOf<{ layers: Layer[] }>();
  expectTypeOf(grad(loss, { argnums: 1 })).returns.toEqualTypeOf<Traced>();
  expectTypeOf(grad(loss, { argnums: [1, 0] })).returns.toEqualTypeOf<
    [Traced, { layers: Layer[] }]
  >();
  const both = valueAndGrad((x: Traced) => [mx.sum(x), { x }] as const);
  expectTypeOf(both).returns.toEqualTypeOf<[[Traced, { x: Traced }], Traced]>();
  expectTypeOf(grad(grad((x: Traced) => x))).returns.toEqualTypeOf<Traced>();
  const reverse = (x: Traced) =>
    vjp((a: Traced, b: { c: Traced }) => mx.add(a, b.c), [x, { c: 1 }], 1);
  expectTypeOf(reverse).returns.toEqualTypeOf<
    [outputs: Traced, gradients: [Traced, { c: Traced }]]
  >();
  const forward = (x: Traced) => jvp((a: Traced) => ({ y: a }), [x], [1]);
  expectTypeOf(forward).returns.toExtend<[outputs: { y: Traced }, tangents: { y: Traced }]>();
  const wrong = (x: Traced) => {
    // @ts-expect-error there is no such argument
    grad((y: Traced) => y)(x, x);
    // @ts-expect-error another tree
    grad((y: { z: Traced }) => y.z)(x);
    // @ts-expect-error too few primals
    vjp((a: Traced, b: Traced) => mx.add(a, b), [x], 1);
  };
  expectTypeOf(wrong).toBeFunction();
});

it("jit gives tensors where the function returns traced values", () => {
  const jitted = (engine: Engine) =>
    engine.jit((x: Traced) => ({ y: mx.exp(x), rest: [x, 1] as const }));
  expectTypeOf<Awaited<ReturnType<ReturnType<typeof jitted>>>>().toEqualTypeOf<{
    y: Tensor;
    rest: [Tensor, Tensor];
  }>();
});
