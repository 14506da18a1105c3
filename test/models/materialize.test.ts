import { afterAll, beforeAll, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  Engine,
  isMaterialized,
  type Linear,
  type MaterializedModule,
  type Module,
  materialize,
  type Tensor,
  type Traced,
  withParameters,
} from "../../src/index.js";
import { NAMES, Perceptron } from "./support.js";

let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 4 });
});
afterAll(() => engine.close());

const perceptron = () => new Perceptron(engine, [3, 4, 2]);

describe("a materialized module", () => {
  it("computes the same, has the same methods, and is not in training", async () => {
    const module = perceptron();
    const fixed = await materialize(module);
    const x = [[0.5, -1, 2]];
    const of = (forward: (x: Traced) => Traced) =>
      engine
        .jit(forward)(x)
        .then((y) => y.toArray());
    expect(await of((x) => fixed.forward(x))).toEqual(await of((x) => module.forward(x)));
    expect(fixed.outputs()).toBe(2);
    expect([fixed.training, fixed.layers[0]?.training, module.training]).toEqual([
      false,
      false,
      true,
    ]);
    expect(fixed).toBeInstanceOf(Perceptron);
    expect([isMaterialized(fixed), isMaterialized(module)]).toEqual([true, false]);
    expect(await materialize(fixed as unknown as Perceptron)).toBe(fixed);
  });

  it("has all its values at once, in the memory of the module", async () => {
    const module = perceptron();
    const fixed = await materialize(module);
    expect(Object.keys(fixed.parameters())).toEqual(NAMES);
    expect(fixed.parameters()["rest.head.bias"]?.view()).toEqual(new Float32Array(2));
    expect(fixed.rest.head.weight).toBe(module.rest.head.weight);
    expect(fixed.byteLength).toBe(module.byteLength);
    expect(fixed.perform((it) => it.layers.length + it.outputs())).toBe(4);
    expectTypeOf(fixed.perform(() => "x")).toEqualTypeOf<string>();
  });

  it("leaves no view, which would keep the memory of a parameter until it is collected as garbage", async () => {
    const read = vi.spyOn(engine.native, "read");
    await materialize(perceptron());
    const views = read.mock.results.map(({ value }) => value as ArrayBuffer);
    read.mockRestore();
    expect(views.map(({ byteLength }) => byteLength)).toEqual(NAMES.map(() => 0));
  });

  it("waits for parameters that are not computed yet, and fails with what they fail with", async () => {
    const module = perceptron();
    const negative = engine.jit((x: Traced) => x);
    const pending = engine.run(negative.program(module.layers[0]?.bias as Tensor), [
      module.layers[0]?.bias as Tensor,
    ]).outputs[0] as Tensor;
    module.update({ "layers.0.bias": pending });
    expect((await materialize(module)).layers[0]?.bias?.dtype).toBe("float32");
    module.apply((tensor, name) =>
      name === "rest.head.bias"
        ? engine.lazyTensor(tensor.type, () => {
            throw new Error("the disk is gone");
          })
        : tensor,
    );
    await expect(materialize(module)).rejects.toThrow("the disk is gone");
  });

  it("refuses to be changed, and so do the modules in it", async () => {
    const module = perceptron();
    const fixed = await materialize(module);
    const forced = fixed as unknown as Perceptron;
    const changes: [string, () => unknown][] = [
      ["update", () => forced.update({})],
      ["load", () => forced.load({})],
      ["apply", () => forced.apply((tensor) => tensor)],
      ["train", () => forced.train()],
      ["freeze", () => forced.freeze()],
      ["unfreeze", () => forced.unfreeze()],
      ["update", () => forced.layers[0]?.update({})],
      ["train", () => forced.rest.head.train(false)],
    ];
    for (const [name, change] of changes) {
      expect(change).toThrow(expect.objectContaining({ code: "module_immutable" }));
      expect(change).toThrow(new RegExp(`^${name} was called on a materialized `));
    }
    const bias = module.rest.head.bias as Tensor;
    expect(() => withParameters(forced, { "rest.head.bias": bias }, () => {})).toThrow(
      expect.objectContaining({ code: "module_immutable" }),
    );
    expect(() => {
      (forced.layers as Linear[])[0] = module.rest.head;
    }).toThrow(TypeError);
    expect(() => {
      forced.training = true;
    }).toThrow(TypeError);
  });

  it("does not change when the module that it was made of does", async () => {
    const module = perceptron();
    const fixed = await materialize(module);
    const before = fixed.parameters();
    module.apply((tensor) => engine.lazyTensor(tensor.type, () => new Uint8Array(0)));
    expect(fixed.parameters()).toEqual(before);
  });

  it("is used by many runs at once, each with the result that it has alone", async () => {
    const fixed = await materialize(new Perceptron(engine, [64, 64, 64]));
    const run = engine.jit((x: Traced) => fixed.forward(x));
    const inputs = Array.from({ length: 24 }, (_, n) =>
      engine.tensor([Array.from({ length: 64 }, (_, i) => Math.cos(n * 64 + i))]),
    );
    const program = run.program(inputs[0] as Tensor);
    const alone: unknown[] = [];
    for (const input of inputs) alone.push(await (await run(input)).toArray());
    const queues = Array.from({ length: 4 }, () => engine.createQueue());
    const together = inputs.map((input, n) => {
      const { outputs } = engine.run(program, [input], { queue: queues[n % 4] as number });
      return (outputs[0] as Tensor).toArray();
    });
    expect(await Promise.all(together)).toEqual(alone);
    for (const queue of queues) engine.closeQueue(queue);
  });
});

// Held against the types by tsc; nothing here runs.
it("has no method that changes it in its type", () => {
  const wrong = (fixed: MaterializedModule<Perceptron>, bias: Tensor) => {
    // @ts-expect-error a materialized module is not updated
    fixed.update({});
    // @ts-expect-error nor loaded
    fixed.load({});
    // @ts-expect-error nor changed by a function
    fixed.apply((tensor) => tensor);
    // @ts-expect-error nor trained
    fixed.train();
    // @ts-expect-error nor frozen
    fixed.freeze();
    // @ts-expect-error nor are those in a list
    fixed.layers[0]?.update({});
    // @ts-expect-error nor those in an object
    fixed.rest.head.train();
    // @ts-expect-error a list of them is not written to
    fixed.layers[0] = fixed.rest.head;
    // @ts-expect-error nor a field
    fixed.rest.head.bias = bias;
    // @ts-expect-error it is no module whose parameters can be bound
    withParameters(fixed, {}, () => {});
  };
  expectTypeOf(wrong).toBeFunction();
  expectTypeOf<MaterializedModule<Perceptron>["forward"]>().toEqualTypeOf<(x: Traced) => Traced>();
  expectTypeOf<MaterializedModule<Perceptron>["outputs"]>().toEqualTypeOf<() => number>();
  expectTypeOf<MaterializedModule<Perceptron>>().not.toExtend<Module>();
});
