import { closeSync, openSync, readSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DTYPE_ROWS, DTYPES } from "../../src/contract/dtypes.js";
import {
  type Dtype,
  Engine,
  grad,
  Module,
  materialize,
  mx,
  type Parameter,
  type Tensor,
  type Traced,
} from "../../src/index.js";
import { native } from "../../src/native.js";
import { eventually } from "../support/eventually.js";

let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 2, memoryLimit: 2 ** 30, cacheLimit: 0 });
});
afterAll(() => engine.close());

const active = () => engine.info().memory.active;
const identity = () => engine.jit((x: Traced) => mx.add(x, 0));
const writable = (tensor: Tensor) => tensor.view({ writable: true }) as Float32Array;
const shared = expect.objectContaining({ code: "tensor_shared" });

/** Bytes of this process's memory, as another addon would read them. */
function peek(address: bigint, bytes: number): Buffer {
  const file = openSync("/proc/self/mem", "r");
  try {
    const read = Buffer.alloc(bytes);
    expect(readSync(file, read, 0, bytes, address)).toBe(bytes);
    return read;
  } finally {
    closeSync(file);
  }
}

describe("a view", () => {
  it.each(DTYPES)("of %s is the typed array of the dtype", async (dtype) => {
    const f = engine.jit((x: Traced) => mx.astype(x, { dtype }));
    const tensor = await f([0, 1]);
    const float16 = dtype === "float16" && "Float16Array" in globalThis;
    const name = float16 ? "Float16Array" : DTYPE_ROWS[dtype].array;
    const view = tensor.view();
    expect(view.constructor.name).toBe(name);
    expect(view.length).toBe(dtype === "complex64" ? 4 : 2);
    expect(tensor.view({ writable: true }).length).toBe(view.length);
  });

  it("is over the engine's memory, and the same each time", async () => {
    const x = await identity()(new Float32Array(2000).fill(3));
    const before = active();
    const view = x.view();
    expect(active()).toBe(before);
    expect(x.view().buffer).toBe(view.buffer);
    expect((await x.bytes()).buffer).toBe(view.buffer);
    expect(view[1999]).toBe(3);
  });

  it("keeps the bytes when the tensor is freed, and no longer than that", async () => {
    native().collect();
    await new Promise(setImmediate);
    const before = active();
    const views = await (async () => {
      const x = await identity()(new Float32Array(2 ** 20).fill(7));
      const view = x.view();
      x.dispose();
      return [view];
    })();
    expect(active() - before).toBeGreaterThan(0.9 * 2 ** 22);
    expect(views[0]?.[2 ** 20 - 1]).toBe(7);
    views.length = 0;
    await eventually(() => {
      native().collect();
      expect(active()).toBeLessThan(before + 0.9 * 2 ** 22);
    });
  });

  it("is not to be written to, by its type", () => {
    const x = engine.tensor([1, 2]);
    const misuse = (tensor: Tensor) => {
      const view = tensor.view();
      // @ts-expect-error elements cannot be assigned to
      view[0] = 1;
      // @ts-expect-error methods that write are not there
      view.fill(0);
      // @ts-expect-error nor in a part of it
      view.subarray(1).set([1]);
    };
    expect(misuse).toBeTypeOf("function");
    x.view({ writable: true })[0] = 3;
    expect([...x.view()]).toEqual([3, 2]);
  });

  it("keeps a float16 as a Float16Array where the runtime has one", async () => {
    const x = engine.tensor([1, -2.5], "float16");
    class Float16Array extends Uint16Array {}
    vi.stubGlobal("Float16Array", Float16Array);
    try {
      expect(x.view()).toBeInstanceOf(Float16Array);
      expect(engine.tensor([1], "bfloat16").view()).not.toBeInstanceOf(Float16Array);
    } finally {
      vi.unstubAllGlobals();
    }
    expect(x.view()).toEqual(Uint16Array.of(0x3c00, 0xc100));
  });

  it("of a strided tensor has its rows, in a copy that is made once", async () => {
    const f = engine.jit((x: Traced) => mx.transpose(mx.add(x, 0)));
    const x = await f([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([...x.view()]).toEqual([1, 4, 2, 5, 3, 6]);
    expect(x.view().buffer).toBe(x.view().buffer);
    expect(x.dlpack().strides).toEqual([1, 3]);
  });

  it("is refused before the tensor is computed, and after it was freed", async () => {
    const program = identity().program([1]);
    const slow = engine.jit((x: Traced) => mx.sum(mx.matmul(x, x)));
    const big = engine.tensor(new Float32Array(700 * 700));
    const square = await engine.jit((x: Traced) => mx.reshape(x, { shape: [700, 700] }))(big);
    const { outputs } = engine.run(slow.program(square), [square]);
    const pending = outputs[0] as Tensor;
    for (const call of ["view", "toFloat32", "dlpack"] as const) {
      expect(() => pending[call]()).toThrow(expect.objectContaining({ code: "tensor_pending" }));
    }
    expect(() => writable(pending)).toThrow(expect.objectContaining({ code: "tensor_pending" }));
    await pending.ready;
    pending.dispose();
    const freed = expect.objectContaining({
      code: "tensor_freed",
      message: "the tensor float32[] was freed",
    });
    for (const call of ["view", "toFloat32", "dlpack"] as const) {
      expect(() => pending[call]()).toThrow(freed);
    }
    expect(() => writable(pending)).toThrow(freed);
    await expect(pending.bytes()).rejects.toEqual(freed);
    await expect(pending.toArray()).rejects.toEqual(freed);
    expect(() => engine.run(program, [pending])).toThrow(freed);
  });

  it("of a tensor without elements has none", async () => {
    const x = engine.tensor([]);
    expect([x.view(), writable(x), x.toFloat32()].map(({ length }) => length)).toEqual([0, 0, 0]);
    expect(x.dlpack()).toMatchObject({ shape: [0], byteOffset: 0 });
  });
});

describe("toFloat32", () => {
  it.each(["float16", "bfloat16", "float32", "float64", "int8", "uint64", "bool"] as const)(
    "converts %s into memory of its own",
    async (dtype) => {
      const x = engine.tensor([1, 0, 1], dtype);
      const floats = x.toFloat32();
      expect(floats).toEqual(Float32Array.of(1, 0, 1));
      floats[0] = 5;
      expect(x.toFloat32()[0]).toBe(1);
    },
  );

  it("keeps what a float16 cannot do without: subnormal numbers, infinity, NaN", async () => {
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, n) => n);
    const x = engine.fromBytes(new Uint8Array(bits.buffer), { dtype: "float16", shape: [2 ** 16] });
    const cast = await engine.jit((x: Traced) => mx.astype(x, { dtype: "float32" }))(x);
    expect(x.toFloat32()).toEqual(cast.view());
  });

  it("is refused for complex numbers", () => {
    const x = engine.tensor([[1, 2]], "complex64");
    expect(() => x.toFloat32()).toThrow(
      expect.objectContaining({
        code: "type_invalid",
        message: "a complex64[1] has complex numbers; expected a tensor of real numbers",
      }),
    );
  });
});

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

describe("the memory of a tensor as it lies", () => {
  const KINDS = { int8: 0, uint16: 1, float32: 2, bfloat16: 4, complex64: 5, bool: 6 } as const;

  it.each(Object.entries(KINDS))("has DLPack's code of %s", (dtype, code) => {
    const x = engine.tensor(dtype === "complex64" ? [[1, 0]] : [1], dtype as Dtype);
    const { bits } = x.dlpack().dtype;
    expect(x.dlpack().dtype).toEqual({ code, bits, lanes: 1 });
    expect(x.dlpack().device).toEqual({ type: 1, id: 0 });
    expect(bits / 8).toBe(x.view().byteLength);
  });

  it.runIf(process.platform === "linux")("is found at its address, by its strides", async () => {
    const f = engine.jit((x: Traced) => {
      const y = mx.add(x, 0);
      return [mx.transpose(y), mx.slice(y, { start: [1, 2], stop: [2, 0], strides: [1, -1] })];
    });
    const x = Float32Array.from({ length: 6 }, (_, n) => n);
    const grid = await engine.jit((x: Traced) => mx.reshape(x, { shape: [2, 3] }))(x);
    for (const tensor of (await f(grid)) as Tensor[]) {
      const { data, byteOffset, strides, shape } = tensor.dlpack();
      const at = (indices: number[]) => {
        const elements = indices.reduce(
          (sum, index, axis) => sum + index * (strides[axis] ?? 0),
          0,
        );
        return peek(data + BigInt(byteOffset + 4 * elements), 4).readFloatLE(0);
      };
      const [rows, columns] = shape as [number, number];
      const found = Array.from({ length: rows }, (_, row) =>
        Array.from({ length: columns }, (_, column) => at([row, column])),
      );
      expect(found).toEqual(await tensor.toArray());
    }
  });

  it("is kept alive, and copied into by nobody", async () => {
    native().collect();
    await new Promise(setImmediate);
    const before = active();
    const x = await identity()(new Float32Array(2 ** 20).fill(7));
    const held = [x.dlpack()];
    x.dispose();
    native().collect();
    expect(active() - before).toBeGreaterThan(0.9 * 2 ** 22);
    expect(held[0]?.memory.byteLength).toBeGreaterThanOrEqual(2 ** 22);
    held.length = 0;
    await eventually(() => {
      native().collect();
      expect(active()).toBeLessThan(before + 0.9 * 2 ** 22);
    });
  });
});

describe("a tensor that is filled", () => {
  it("is written in the engine's memory", async () => {
    let given: Float32Array | undefined;
    const x = engine.fill({ dtype: "float32", shape: [2, 2] }, (array) => {
      given = array as Float32Array;
      given.set([1, 2, 3, 4]);
    });
    expect(await x.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(given?.length).toBe(0);
  });

  it("is none where the function throws, or returns a promise", () => {
    const tensors = engine.info().counters.tensors;
    const type = { dtype: "float32", shape: [2] } as const;
    const fail = () => {
      throw new Error("no");
    };
    expect(() => engine.fill(type, fail)).toThrow("no");
    expect(() => engine.fill(type, async () => {})).toThrow(
      expect.objectContaining({ code: "function_async" }),
    );
    expect(() => engine.fill({ dtype: "float31" as "float32", shape: [2] }, () => {})).toThrow(
      expect.objectContaining({ code: "type_invalid" }),
    );
    expect(engine.info().counters.tensors).toBe(tensors);
  });
});
