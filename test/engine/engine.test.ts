import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  callback,
  DavitError,
  Engine,
  forLoop,
  mx,
  type Program,
  type Tensor,
  type Traced,
  whileLoop,
} from "../../src/index.js";
import type { Dtype, TensorType } from "../../src/tensor/dtype.js";
import { ownKernels } from "../support/kernels.js";

const vector: TensorType = { dtype: "float32", shape: [4] };
let engine: Engine;

beforeAll(() => {
  engine = Engine.create({ lanes: 2, memoryLimit: 2 ** 30 });
});
afterAll(() => engine.close());

const floats = (...values: number[]) => engine.tensor(values);

/** A program that never ends by itself. */
function endless(): Program {
  return engine
    .jit((x: Traced) =>
      whileLoop(
        x,
        (value) => mx.greater(mx.max(value), 0),
        (value) => mx.add(value, 1),
      ),
    )
    .program([1, 2, 3, 4]);
}

/** A program that takes seconds in one segment. */
function long(): { program: Program; input: () => ReturnType<Engine["tensor"]> } {
  const size = 1500;
  const program = engine
    .jit((x: Traced) => {
      let y = x;
      for (let i = 0; i < 60; i++) y = mx.matmul(y, x);
      return y;
    })
    .program(
      engine.fromBytes(new Uint8Array(size * size * 4), { dtype: "float32", shape: [size, size] }),
    );
  return {
    program,
    input: () =>
      engine.fromBytes(new Uint8Array(size * size * 4), { dtype: "float32", shape: [size, size] }),
  };
}

describe("Engine", () => {
  it("runs what depends on what is still under way, in one burst", async () => {
    const { program } = { program: engine.jit((x: Traced) => mx.add(x, 1)).program([1, 2, 3, 4]) };
    let value = floats(0, 0, 0, 0);
    for (let i = 0; i < 100; i++) value = engine.run(program, [value]).outputs[0] as typeof value;
    expect(await value.toArray()).toEqual([100, 100, 100, 100]);
  });

  it("gives data across queues in the order of the data", async () => {
    const program = engine.jit((x: Traced) => mx.multiply(x, 2)).program([1, 2, 3, 4]);
    const queues = Array.from({ length: 8 }, () => engine.createQueue());
    let value = floats(1, 1, 1, 1);
    for (let i = 0; i < 20; i++) {
      const queue = queues[i % queues.length] as number;
      value = engine.run(program, [value], { queue }).outputs[0] as typeof value;
    }
    expect(await value.toArray()).toEqual(Array(4).fill(2 ** 20));
    for (const queue of queues) engine.closeQueue(queue);
  });

  it("cancels a loop, a long segment, and what has not begun", async () => {
    const queue = engine.createQueue();
    const loop = engine.run(endless(), [floats(1, 2, 3, 4)], { queue });
    const { program, input } = long();
    const behind = engine.run(program, [input()], { queue });
    engine.native.cancel(behind.id, "cancelled", "by the test");
    await expect(behind.done).rejects.toMatchObject({ code: "cancelled" });
    engine.native.cancel(loop.id, "timeout", "by the test");
    await expect(loop.done).rejects.toMatchObject({ code: "timeout" });
    const segment = engine.run(program, [input()], { queue });
    setImmediate(() => engine.native.cancel(segment.id, "cancelled", "by the test"));
    await expect(segment.done).rejects.toMatchObject({ code: "cancelled" });
    engine.closeQueue(queue);
  });

  it.runIf(ownKernels)("cancels a kernel in the middle", async () => {
    const size = 4096;
    const input = engine.fromBytes(new Uint8Array(size * size * 2), {
      dtype: "bfloat16",
      shape: [size, size],
    });
    const program = engine.jit((x: Traced) => mx.matmul(x, x)).program(input);
    const run = engine.run(program, [input]);
    setImmediate(() => engine.native.cancel(run.id, "cancelled", "by the test"));
    await expect(run.done).rejects.toMatchObject({ code: "cancelled" });
  });

  it("takes an AbortSignal", async () => {
    const abort = new AbortController();
    const f = engine.jit((x: Traced) =>
      whileLoop(
        x,
        (value) => mx.greater(mx.max(value), 0),
        (value) => mx.add(value, 1),
      ),
    );
    const result = f.with({ signal: abort.signal }, [1, 2]);
    abort.abort(new Error("enough"));
    await expect(result).rejects.toThrow(/enough/);
  });

  it("keeps the event loop free while a program runs", async () => {
    const { program, input } = long();
    const run = engine.run(program, [input()]);
    let turns = 0;
    let over = false;
    void run.done.catch(() => {}).finally(() => (over = true));
    await new Promise<void>((resolve) => {
      const turn = () => (++turns === 200 ? resolve() : setImmediate(turn));
      turn();
    });
    expect(over).toBe(false);
    engine.native.cancel(run.id, "cancelled", "enough");
    await expect(run.done).rejects.toThrow(DavitError);
  });

  it("lets the event loop turn while small runs and calls follow each other", async () => {
    const f = engine.jit((x: Traced) => mx.add(x, 1));
    const g = engine.jit((x: Traced) =>
      forLoop(10_000, x, (y) => callback(y, "turn", [vector])[0] as Traced),
    );
    engine.handle("turn", (y) => y);
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    for (let i = 0; i < 1000 && !turned; i++) await f([i, 2, 3, 4]);
    expect(turned).toBe(true);
    let over = false;
    const done = g([1, 2, 3, 4]).then(() => {
      over = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(over).toBe(false);
    await done;
  });

  it("names op, label and operands of what fails while it runs, and fails what depends on it", async () => {
    const { label } = await import("../../src/index.js");
    const inverse = engine.jit((x: Traced) =>
      label("solver", () => mx.linalg.inv(mx.multiply(x, 0))),
    );
    const program = inverse.program([
      [1, 2],
      [3, 4],
    ]);
    const first = engine.run(program, [
      engine.tensor([
        [1, 2],
        [3, 4],
      ]),
    ]);
    const second = engine.run(program, [first.outputs[0] as never]);
    await expect(first.done).rejects.toMatchObject({ op: "linalg.inv", label: "solver" });
    await expect(first.done).rejects.toThrow(/float32\[2, 2\]/);
    await expect(second.done).rejects.toThrow(/LU|singular/i);
    expect(await (await engine.jit((x: Traced) => mx.add(x, 1))([1])).toArray()).toEqual([2]);
  });

  it("refuses memory beyond the limit, and goes on", async () => {
    const square = engine.jit((x: Traced, y: Traced) => mx.sum(mx.add(x, y)));
    const column = engine.fromBytes(new Uint8Array(4 * 20_000), {
      dtype: "float32",
      shape: [20_000, 1],
    });
    const row = engine.fromBytes(new Uint8Array(4 * 20_000), {
      dtype: "float32",
      shape: [1, 20_000],
    });
    await expect(square(column, row)).rejects.toMatchObject({ code: "value_too_large" });
    const sums = engine.jit((x: Traced) => {
      const parts = Array.from({ length: 20 }, (_, i) =>
        mx.broadcast_to(mx.add(x, i), { shape: [20_000_000] }),
      );
      return mx.concatenate(parts);
    });
    await expect(sums([1])).rejects.toMatchObject({ code: /value_too_large|memory_exhausted/ });
    expect(await (await engine.jit((x: Traced) => mx.add(x, 1))([1])).toArray()).toEqual([2]);
  });

  it("refuses inputs that do not fit, by number and type", () => {
    const program = engine.jit((x: Traced) => mx.add(x, 1)).program([1, 2, 3, 4]);
    expect(() => engine.run(program, [])).toThrow(/takes 1 inputs, not 0/);
    expect(() => engine.run(program, [engine.tensor([1, 2])])).toThrow(
      /input 0 is float32\[2\]; the program takes float32\[4\]/,
    );
    const freed = floats(1, 2, 3, 4);
    freed.dispose();
    expect(() => engine.run(program, [freed])).toThrow(/freed/);
  });

  it("asks for the bytes of a lazy tensor when it is first needed, and once", async () => {
    const reads: string[] = [];
    const lazy = (name: string, bytes: Uint8Array) =>
      engine.lazyTensor({ dtype: "float32", shape: [1] }, () => {
        reads.push(name);
        return bytes;
      });
    const one = lazy("one", new Uint8Array(new Float32Array([1]).buffer));
    expect(one.type).toEqual({ dtype: "float32", shape: [1] });
    lazy("unused", new Uint8Array(4)).dispose();
    expect(reads).toEqual([]);
    const add = engine.jit((x: Traced) => mx.add(x, one));
    expect(await (await add(one)).toArray()).toEqual([2]);
    expect(one.view()[0]).toBe(1);
    expect(reads).toEqual(["one"]);
    await expect(add(lazy("short", new Uint8Array(3)))).rejects.toMatchObject({
      code: "length_invalid",
    });
    const broken = engine.lazyTensor({ dtype: "int8", shape: [1] }, () => {
      throw new Error("no such disk");
    });
    await expect(add(broken)).rejects.toThrow("no such disk");
  });

  it.each(["float", 5, { shape: [4] }])(
    "refuses %o for a dtype, wherever one is given",
    async (given) => {
      const dtype = given as Dtype;
      const type = { dtype, shape: [4] };
      const wrong = expect.objectContaining({ code: "type_invalid" });
      expect(() => engine.tensor(new Float32Array(4), dtype)).toThrow(wrong);
      expect(() => engine.tensor([1, 2], dtype)).toThrow(
        /a dtype is .*; expected one of bool, uint8/,
      );
      expect(() => engine.fromBytes(new Uint8Array(16), type)).toThrow(wrong);
      expect(() => engine.fileTensor("weights", 0, type)).toThrow(wrong);
      for (const op of [
        (x: Traced) => mx.astype(x, { dtype }),
        (x: Traced) => mx.zeros({ shape: x.shape, dtype }),
        (x: Traced) => callback(x, () => [0], [type])[0] as Traced,
      ]) {
        await expect(engine.jit(op)([1])).rejects.toMatchObject({ code: "attribute_invalid" });
      }
    },
  );

  it("refuses the tensors of another engine, wherever they come from", async () => {
    const other = Engine.create({ lanes: 1 });
    // A tensor of its number is here, too.
    const theirs = Array.from({ length: 50 }, () => other.tensor([7])).at(-1) as Tensor;
    const f = engine.jit((x: Traced) => mx.add(x, 1));
    const asking = engine.jit((x: Traced) => callback(x, () => theirs, [x.type])[0] as Traced);
    const holding = engine.jit((x: Traced) => mx.add(x, theirs));
    for (const run of [() => f(theirs), () => asking([1]), () => holding([1])]) {
      await expect(run()).rejects.toMatchObject({ code: "tensor_foreign" });
    }
    await other.close();
  });

  it("refuses options that it does not know, with the value and what was expected", () => {
    expect(() => Engine.create({ lanes: 0 })).toThrow(/lanes is 0; expected an integer from 1/);
    expect(() => Engine.create({ laens: 2 } as never)).toThrow(/laens is unknown/);
    expect(() => Engine.create({ device: "tpu" as never })).toThrow(/device is "tpu"/);
  });

  it("compiles a program once, and forgets it when it is unloaded", async () => {
    const f = engine.jit((x: Traced) => mx.subtract(x, 3));
    await f([1, 2, 3]);
    const before = engine.info().counters.compiled as number;
    for (let i = 0; i < 10; i++) await f([1, 2, 3]);
    expect(engine.info().counters.compiled).toBe(before);
    const program = f.program([1, 2, 3]);
    engine.unload(program);
    expect(() => engine.run(program, [engine.tensor([1, 2, 3])])).toThrow(/does not exist/);
  });

  it("frees what nobody names any more", async () => {
    const tensors = () => engine.info().counters.tensors as number;
    const before = tensors();
    {
      using one = engine.fromBytes(new Uint8Array(16), vector);
      expect(one.shape).toEqual([4]);
      expect(tensors()).toBe(before + 1);
    }
    expect(tensors()).toBe(before);
    const two = floats(1);
    two.dispose();
    two.dispose();
    await expect(two.bytes()).rejects.toMatchObject({ code: "tensor_freed" });
    expect(tensors()).toBe(before);
  });

  it("ends what is under way when it is closed", async () => {
    const other = Engine.create({ lanes: 1 });
    const f = other.jit((x: Traced) =>
      whileLoop(
        x,
        (value) => mx.greater(mx.max(value), 0),
        (value) => mx.add(value, 1),
      ),
    );
    const result = expect(f([1])).rejects.toMatchObject({ code: "engine_closed" });
    await other.close();
    await result;
    expect(() => other.tensor(1)).toThrow(/closed/);
  });
});
