import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Engine,
  Linear,
  Module,
  mx,
  openWeights,
  type Parameter,
  type Tensor,
  type Traced,
  valueAndGrad,
  WeightsError,
  withParameters,
} from "../../src/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { NAMES, Perceptron } from "./support.js";

const at = temporaryFolder();
let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 2 });
});
afterAll(() => engine.close());

const perceptron = () => new Perceptron(engine, [3, 4, 2]);
const ones = (...shape: number[]) =>
  engine.fromBytes(
    new Uint8Array(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1).buffer),
    { dtype: "float32", shape },
  );
const errorOf = (action: () => unknown): WeightsError => {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(WeightsError);
    return error as WeightsError;
  }
  throw new Error("nothing was thrown");
};

describe("parameters", () => {
  it("are named by the fields that lead to them, in lists, objects and modules", () => {
    expect(Object.keys(perceptron().parameters())).toEqual(NAMES);
    expect(perceptron().byteLength).toBe(4 * (3 * 4 + 4 + 4 * 4 + 4 + 4 * 2 + 2));
  });

  it("of a module that is used twice are listed once", () => {
    class Tied extends Module {
      readonly a = new Linear(ones(2, 2));
      readonly b = this.a;
      forward(x: Traced): Traced {
        return this.b.forward(this.a.forward(x));
      }
    }
    expect(Object.keys(new Tied().parameters())).toEqual(["a.weight"]);
  });

  it("are replaced by update and apply", async () => {
    const module = perceptron();
    const before = module.parameters();
    const weight = ones(4, 3);
    expect(module.update({ "layers.0.weight": weight })).toBe(module);
    expect(module.layers[0]?.weight).toBe(weight);
    expect(module.parameters()["layers.1.weight"]).toBe(before["layers.1.weight"]);
    const seen: string[] = [];
    module.apply((tensor, name) => {
      seen.push(name);
      return name.endsWith("bias") ? ones(...tensor.shape) : tensor;
    });
    expect(seen).toEqual(NAMES);
    expect(await (module.rest.head.bias as Tensor).toArray()).toEqual([1, 1]);
  });

  it("take another floating dtype", () => {
    const half = engine.tensor([[1, 2]], "bfloat16");
    const linear = new Linear(engine.tensor([[1, 2]]));
    expect(linear.update({ weight: half }).weight.dtype).toBe("bfloat16");
  });
});

describe("load", () => {
  it("tells everything that is wrong at once, and then replaces nothing", () => {
    const module = perceptron();
    const before = module.parameters();
    const { "layers.1.weight": _, "rest.head.bias": __, ...given } = before;
    const error = errorOf(() =>
      module.load({
        ...given,
        "layers.0.weight": ones(3, 4),
        "layers.0.bias": engine.tensor([1, 2, 3, 4], "int32"),
        "layers.2.weight": ones(1),
      }),
    );
    expect(error.code).toBe("weights_invalid");
    expect(error.missing).toEqual(["layers.1.weight", "rest.head.bias"]);
    expect(error.surplus).toEqual(["layers.2.weight"]);
    expect(error.misshapen.map(({ name }) => name)).toEqual(["layers.0.weight"]);
    expect(error.mistyped.map(({ name }) => name)).toEqual(["layers.0.bias"]);
    expect(error.message).toBe(
      "the tensors given: 2 missing (layers.1.weight, rest.head.bias); 1 not of this model (layers.2.weight); " +
        "1 of another shape (layers.0.weight: float32[3, 4], expected [4, 3]); " +
        "1 of another dtype (layers.0.bias: int32[4], expected floating)",
    );
    expect(module.parameters()).toEqual(before);
  });

  it("reads what save wrote, when it is needed", async () => {
    const path = at("perceptron.safetensors");
    const written = perceptron().apply((tensor) => ones(...tensor.shape));
    await written.save(path);
    const read = perceptron().load(await openWeights(engine, path));
    for (const [name, tensor] of Object.entries(read.parameters())) {
      expect(await tensor.toArray()).toEqual(await written.parameters()[name]?.toArray());
    }
  });
});

describe("train and freeze", () => {
  it("reach the modules inside", () => {
    const module = perceptron();
    expect(module.layers[1]?.training).toBe(true);
    module.train(false);
    expect([module.training, module.layers[1]?.training, module.rest.head.training]).toEqual([
      false,
      false,
      false,
    ]);
    expect(module.train().rest.head.training).toBe(true);
  });

  it("take parameters out of what is trained, by a name or the beginning of one", () => {
    const module = perceptron();
    module.freeze("layers", "rest.head.bias");
    expect(Object.keys(module.trainable())).toEqual(["rest.head.weight"]);
    module.unfreeze("layers.0");
    const [weight, bias] = NAMES;
    expect(Object.keys(module.trainable())).toEqual([weight, bias, "rest.head.weight"]);
    module.layers[0]?.freeze();
    expect(Object.keys(module.trainable())).toEqual(["rest.head.weight"]);
    expect(Object.keys(module.unfreeze().trainable())).toEqual(NAMES);
    expect(() => module.freeze("layer")).toThrow(/has no parameter "layer"/);
  });
});

describe("withParameters", () => {
  it("makes parameters inputs of a program, and trains the module", async () => {
    const module = perceptron();
    const xs = [
      [0, 0, 1],
      [0, 1, 1],
      [1, 0, 1],
      [1, 1, 1],
    ];
    const ys = [
      [0, 1],
      [1, 0],
      [1, 0],
      [0, 1],
    ];
    const loss = (p: Record<string, Traced>, x: Traced, y: Traced) =>
      withParameters(module, p, () => mx.mean(mx.square(mx.subtract(module.forward(x), y))));
    const step = engine.jit((p: Record<string, Traced>, x: Traced, y: Traced) => {
      const [value, gradients] = valueAndGrad(loss)(p, x, y);
      const moved = Object.entries(p).map(([name, weight]) => [
        name,
        mx.subtract(weight, mx.multiply(gradients[name] as Traced, 0.3)),
      ]);
      return { value, p: Object.fromEntries(moved) as Record<string, Traced> };
    });
    module.freeze("layers.0.bias");
    const frozen = module.layers[0]?.bias;
    const losses: number[] = [];
    for (let i = 0; i < 200; i++) {
      const { value, p } = await step(module.trainable(), xs, ys);
      module.update(p);
      losses.push((await value.toArray()) as number);
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 20);
    expect(module.layers[0]?.bias).toBe(frozen);
    expect(step.programs.traced).toBe(1);
  });

  it("gives the parameters back, also where the call fails", () => {
    const module = new Linear(ones(2, 2));
    const before = module.weight;
    const other: Parameter = ones(2, 2);
    const seen = withParameters(module, { weight: other }, () => module.weight);
    expect([seen, module.weight]).toEqual([other, before]);
    expect(() =>
      withParameters(module, { weight: other }, () => {
        throw new Error("here");
      }),
    ).toThrow("here");
    expect(module.weight).toBe(before);
    expect(() => withParameters(module, { bias: other }, () => {})).toThrow(
      /the Linear has no parameter "bias"; expected one of weight/,
    );
  });
});
