import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Engine,
  forLoop,
  grad,
  Module,
  materialize,
  mx,
  type Parameter,
  type Tensor,
  type Traced,
} from "../../src/index.js";

let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 2, memoryLimit: 2 ** 30, cacheLimit: 0 });
});
afterAll(() => engine.close());

const identity = () => engine.jit((x: Traced) => mx.add(x, 0));
const writable = (tensor: Tensor) => tensor.view({ writable: true }) as Float32Array;
const shared = expect.objectContaining({ code: "tensor_shared" });

describe("a writable view", () => {
  it("writes what later runs see, also into a tensor of a few bytes", async () => {
    for (const size of [3, 5000]) {
      const x = engine.tensor(new Float32Array(size));
      const view = writable(x);
      view[size - 1] = 9;
      expect((await identity()(x)).view()[size - 1]).toBe(9);
      view[size - 1] = 10;
      expect((await identity()(x)).view()[size - 1]).toBe(10);
      expect(x.view()[size - 1]).toBe(10);
    }
  });

  it("can be had of what a run has just made, each time", async () => {
    const f = identity();
    for (let i = 0; i < 1000; i++) {
      const x = await f([i, 1]);
      writable(x)[1] = 2;
      expect(await (await f(x)).toArray()).toEqual([i, 2]);
      writable(x)[0] = -1;
      expect(x.view()[0]).toBe(-1);
    }
  });

  it("makes a strided tensor's own memory free of gaps", async () => {
    const f = engine.jit((x: Traced) => mx.transpose(mx.add(x, 0)));
    const x = await f([
      [1, 2],
      [3, 4],
    ]);
    writable(x)[1] = 30;
    expect(await x.toArray()).toEqual([
      [1, 30],
      [2, 4],
    ]);
    expect(x.dlpack().strides).toEqual([2, 1]);
  });

  it("is refused where another handle has the tensor", async () => {
    const x = engine.tensor([1, 2]);
    const state = engine.state([x]);
    const [copy] = (await state.copyOut()) as [Tensor];
    expect(() => writable(copy)).toThrow(shared);
    state.dispose();
    writable(copy)[0] = 3;
  });

  it("is refused where another tensor has the memory, and one that is freed lets go of it", async () => {
    const f = engine.jit((x: Traced) => {
      const y = mx.add(x, 0);
      return [y, mx.reshape(y, { shape: [2, 2] }), y] as const;
    });
    const [x, y, z] = await f([1, 2, 3, 4]);
    expect(() => writable(x)).toThrow(shared);
    expect(() => writable(y)).toThrow("another tensor, or an earlier view, has the memory");
    z.dispose();
    y.dispose();
    writable(x)[0] = 3;
  });

  it("is refused where an earlier view of a freed handle is there", async () => {
    const x = engine.tensor(new Float32Array(2000));
    const copy = engine.share(x);
    const view = copy.view();
    copy.dispose();
    expect(() => writable(x)).toThrow(shared);
    expect(view.length).toBe(2000);
  });

  it("is refused while a run has the tensor", async () => {
    const slow = engine.jit((x: Traced) => mx.sum(mx.matmul(x, x)));
    const x = engine.tensor(new Float32Array(500 * 500));
    const y = await engine.jit((x: Traced) => mx.reshape(mx.add(x, 0), { shape: [500, 500] }))(x);
    const runs = [slow(y), slow(y), slow(y)];
    expect(() => writable(y)).toThrow(shared);
    await Promise.all(runs);
    writable(y)[0] = 1;
  });

  it("is refused of a program's constant", async () => {
    const w = engine.tensor([1, 2]);
    const f = engine.jit((x: Traced) => mx.multiply(x, w));
    await f([1, 1]);
    expect(() => writable(w)).toThrow("a constant of a program");
    f.dispose();
    writable(w)[0] = 2;
  });

  it("can be had once the program is disposed of, whatever its lane does", async () => {
    const one = Engine.create({ lanes: 1 });
    const w = one.tensor([1, 2]);
    const f = one.jit((x: Traced) => mx.sum(forLoop(50, x, (y) => mx.multiply(y, w))));
    await f([1, 1]);
    const x = one.tensor(new Float32Array(600 * 600));
    const slow = one.jit((x: Traced) => forLoop(20, x, (y) => mx.matmul(y, y)));
    const running = slow(await one.jit((x: Traced) => mx.reshape(x, { shape: [600, 600] }))(x));
    f.dispose();
    writable(w)[0] = 2;
    await running;
    await one.close();
  });

  it("is not seen by the constants of programs, whichever came first", async () => {
    const w = engine.tensor([3]);
    const view = writable(w);
    const square = engine.jit(() => mx.sum(mx.multiply(w, w)));
    const graph = engine.jit((x: Traced) => grad((y: Traced) => mx.sum(mx.multiply(y, w)))(x));
    expect(await (await square()).toArray()).toBe(9);
    expect(await (await graph([1])).toArray()).toEqual([3]);
    view[0] = 4;
    expect(await (await square()).toArray()).toBe(9);
    expect(await (await graph([1])).toArray()).toEqual([3]);
    expect(await (await identity()(w)).toArray()).toEqual([4]);
  });

  it("can be had again after a program has taken a copy of a large tensor", async () => {
    const w = engine.tensor(new Float32Array(5000).fill(3));
    writable(w)[0] = 4;
    const f = engine.jit(() => mx.sum(w));
    expect(await (await f()).toArray()).toBe(15_001);
    writable(w)[0] = 5;
    expect(await (await f()).toArray()).toBe(15_001);
  });

  it("is refused of a materialized module's parameters, and one from before ends", async () => {
    class Scale extends Module {
      constructor(readonly weight: Parameter) {
        super();
      }
      forward(x: Traced): Traced {
        return mx.multiply(x, this.weight);
      }
    }
    const weight = engine.tensor([1, 2]);
    const view = writable(weight);
    const fixed = await materialize(new Scale(weight));
    expect(view.length).toBe(0);
    view[0] = 5;
    expect(await weight.toArray()).toEqual([1, 2]);
    expect(() => writable(fixed.parameters().weight as Tensor)).toThrow(
      "the tensor float32[2] is a parameter of a materialized module",
    );
  });

  it("cannot be taken away by another thread", () => {
    const x = engine.tensor([1, 2]);
    const { buffer } = writable(x);
    try {
      structuredClone(null, { transfer: [buffer as ArrayBuffer] });
    } catch (error) {
      expect((error as Error).name).toBe("DataCloneError");
    }
    expect(writable(x).buffer).toBe(buffer);
    expect(buffer.byteLength).toBe(8);
  });

  it("leaves a donated tensor's memory alone", async () => {
    const x = engine.tensor(new Float32Array(5000));
    const view = writable(x);
    const add = engine.jit((x: Traced) => mx.add(x, 1));
    const y = await add.with({ donate: [0] }, x);
    expect([view[0], y.view()[0]]).toEqual([0, 1]);
  });
});
