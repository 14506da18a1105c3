import { closeSync, openSync, readSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DTYPE_ROWS, DTYPES } from "../../src/contract/dtypes.js";
import { type Dtype, Engine, mx, type Tensor, type Traced } from "../../src/index.js";
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
