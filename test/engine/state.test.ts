import { afterAll, describe, expect, it } from "vitest";
import { Engine, hook, mx, type Tensor, type Traced, whileLoop } from "../../src/index.js";

const engine = Engine.create({ lanes: 2 });
afterAll(() => engine.close());

const LARGE = 4 << 20; // float32s: 16 MiB
const zeros = async (length: number) => {
  const make = engine.jit(() => mx.zeros({ shape: [length] }));
  const tensor = await make();
  make.dispose();
  return tensor;
};
/** Writes a value at a position, in place where that may be. */
const write = engine.jit((x: Traced, value: Traced, at: Traced) =>
  mx.dynamic_slice_update(x, mx.reshape(value, { shape: [1] }), at, { axes: [0] }),
);
const at = (position: number) => Int32Array.of(position);
/** A step of a state that counts and sums. */
const add = engine.jit(
  ({ sum, count }: { sum: Traced; count: Traced }, x: Traced) =>
    [{ sum: mx.add(sum, x), count: mx.add(count, 1) }, mx.multiply(sum, 10)] as const,
);
const counter = () => engine.state({ sum: engine.tensor([0, 0]), count: engine.tensor(0) });
const read = async ({ sum, count }: { sum: Tensor; count: Tensor }) => [
  await sum.toArray(),
  await count.toArray(),
];

describe("a donated argument", () => {
  it("is freed, and its memory becomes the result's where nothing else has it", async () => {
    let x = await zeros(LARGE);
    x = await write.with({ donate: [0] }, x, 1, at(0));
    const start = engine.info().memory.active;
    const peak = async (change: () => Promise<void>) => {
      const before = engine.info().memory.peak;
      await change();
      return engine.info().memory.peak - Math.max(before, start);
    };
    const grown = await peak(async () => {
      for (let n = 1; n < 20; n++) {
        const next = write.with({ donate: [0] }, x, n, at(n));
        expect(x.freed).toBe(true);
        x = await next;
      }
    });
    expect(grown).toBeLessThan(LARGE);
    expect([...(x.view() as Float32Array).subarray(0, 5)]).toEqual([1, 1, 2, 3, 4]);
  });

  it("is copied where another handle, a view or another input has it", async () => {
    const x = await zeros(16);
    const view = x.view() as Float32Array;
    const y = await write.with({ donate: [0] }, x, 7, at(0));
    expect([view[0], (y.view() as Float32Array)[0]]).toEqual([0, 7]);
    const both = engine.jit((a: Traced, b: Traced) => [
      mx.slice_update(a, mx.reshape(1, { shape: [1] }), { start: [3], stop: [4] }),
      b,
    ]);
    const [changed, same] = (await both.with({ donate: [0] }, y, y)) as [Tensor, Tensor];
    expect([(changed.view() as Float32Array)[3], (same.view() as Float32Array)[3]]).toEqual([1, 0]);
  });

  it("may be pending, and a list or object of tensors", async () => {
    const f = engine.jit(({ a }: { a: Traced }, b: Traced) => mx.add(a, b));
    const x = await zeros(4);
    const program = f.program({ a: x }, x);
    const first = engine.run(program, [x, x]);
    const second = engine.run(program, [first.outputs[0] as Tensor, x], { donate: [0] });
    await second.done;
    expect(first.outputs[0]?.freed).toBe(true);
    const z = await f.with({ donate: [0] }, { a: second.outputs[0] as Tensor }, 1);
    expect(await z.toArray()).toEqual([1, 1, 1, 1]);
  });

  it("stays where the call is refused", async () => {
    const x = await zeros(4);
    await expect(write.with({ donate: [3] }, x, 1, at(0))).rejects.toMatchObject({
      code: "option_invalid",
      message: /donate has 3; expected positions of the 3 arguments/,
    });
    const program = write.program(x, 1, at(0));
    expect(() => engine.run(program, [x], { donate: [0] })).toThrow(/input/);
    expect(x.freed).toBe(false);
  });
});

describe("a state", () => {
  it("is changed by steps, which return results", async () => {
    const state = counter();
    const results = await state.exclusive(async (held) => [
      await (await held.apply(add, [[1, 2]])).toArray(),
      await (await held.apply(add, [[1, 2]])).toArray(),
    ]);
    expect(results).toEqual([
      [0, 0],
      [10, 20],
    ]);
    expect(await read(await state.copyOut())).toEqual([[2, 4], 2]);
  });

  it("costs no copy for a step that writes into it", async () => {
    const step = engine.jit(
      (x: Traced, at: Traced) =>
        [mx.dynamic_slice_update(x, mx.reshape(1, { shape: [1] }), at, { axes: [0] }), at] as const,
    );
    const state = engine.state(await zeros(LARGE));
    await state.exclusive((held) => held.apply(step, [at(0)]));
    const before = engine.info().memory.peak;
    await state.exclusive(async (held) => {
      for (let n = 1; n < 50; n++) await held.apply(step, [at(n)]);
    });
    expect(engine.info().memory.peak - before).toBeLessThan(LARGE);
    const values = (await state.copyOut()).view() as Float32Array;
    expect(values.subarray(0, 50).every((value) => value === 1)).toBe(true);
    state.dispose();
  });

  it("belongs to one function at a time, across its awaits, in the order of asking", async () => {
    const state = counter();
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        state.exclusive(async (held) => {
          const before = await read(held.copyOut());
          const waits = Math.floor(Math.random() * 4);
          for (let i = 0; i < waits; i++) await new Promise((resolve) => setImmediate(resolve));
          await held.apply(add, [[n, 1]]);
          const after = await read(held.copyOut());
          // Nobody else was there in between.
          expect(after[1]).toBe((before[1] as number) + 1);
          order.push(n);
        }),
      ),
    );
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(await read(await state.copyOut())).toEqual([[190, 20], 20]);
  });

  it("is free again after a function that throws, and after steps that were not waited for", async () => {
    const state = counter();
    const failing = state.exclusive(async () => {
      throw new Error("mine");
    });
    const loose = state.exclusive((held) => {
      void held.apply(add, [[1, 1]]);
      void held.apply(add, [[1, 1]]);
    });
    await expect(failing).rejects.toThrow("mine");
    await loose;
    expect(await read(await state.copyOut())).toEqual([[2, 2], 2]);
  });

  it("is not used outside of its turn, nor asked for within", async () => {
    const state = counter();
    const held = await state.exclusive((held) => held);
    expect(() => held.copyOut()).toThrow(expect.objectContaining({ code: "state_released" }));
    const nested = state.exclusive(() => state.copyOut());
    await expect(nested).rejects.toMatchObject({ code: "state_nested" });
    // What a turn leaves behind may ask later.
    let later = state.copyOut();
    await state.exclusive(() => {
      later = new Promise((resolve) => setImmediate(resolve)).then(() => state.copyOut());
    });
    expect(await read(await later)).toEqual([[0, 0], 0]);
  });

  it("is waited for as long as one wants", async () => {
    const state = counter();
    let release: () => void = () => {};
    const first = state.exclusive(() => new Promise<void>((resolve) => (release = resolve)));
    const abort = new AbortController();
    const timedOut = expect(state.copyOut({ timeout: 1 })).rejects.toMatchObject({
      code: "timeout",
    });
    const aborted = expect(state.copyOut({ signal: abort.signal })).rejects.toThrow("no more");
    const patient = state.copyOut();
    abort.abort(new Error("no more"));
    await timedOut;
    await aborted;
    release();
    await first;
    expect(await read(await patient)).toEqual([[0, 0], 0]);
  });

  it("is lost where a step fails that computes in its memory, until it is set anew", async () => {
    const state = counter();
    const controller = new AbortController();
    const endless = engine.jit((state: { sum: Traced; count: Traced }) => {
      const last = whileLoop(
        state,
        ({ count }) => mx.greater_equal(count, 0),
        ({ sum, count }) => ({ sum: mx.add(hook(sum, "sum"), 1), count }),
      );
      return [last, last.count] as const;
    });
    const cancelled = (onFailure: "lose" | "restore") => {
      const controller = new AbortController();
      const subscription = endless.on("sum", () => controller.abort());
      const { signal } = controller;
      return state
        .exclusive((held) => held.apply(endless, [], { signal, onFailure }))
        .finally(() => subscription.close());
    };
    await expect(cancelled("restore")).rejects.toMatchObject({ code: "cancelled" });
    expect(await read(await state.copyOut())).toEqual([[0, 0], 0]);
    await expect(cancelled("lose")).rejects.toMatchObject({ code: "cancelled" });
    await expect(state.copyOut()).rejects.toMatchObject({
      code: "state_lost",
      message: /expected `copyIn`/,
    });
    controller.abort();
    await state.copyIn({ sum: engine.tensor([5, 5]), count: engine.tensor(1) });
    await state.exclusive((held) => held.apply(add, [[1, 1]]));
    expect(await read(await state.copyOut())).toEqual([[6, 6], 2]);
  });

  it("keeps its form, and is not lost by a call that is refused", async () => {
    const state = counter();
    const apply = (step: unknown, ...args: never[]) =>
      state.exclusive((held) => held.apply(step as typeof add, args));
    const other = engine.jit((state: { sum: Traced }) => [state.sum, state.sum] as const);
    await expect(state.copyIn(engine.tensor(1) as never)).rejects.toMatchObject({
      code: "state_changed",
    });
    await expect(apply(add)).rejects.toThrow();
    expect(await read(await state.copyOut())).toEqual([[0, 0], 0]);
    await expect(apply(other)).rejects.toMatchObject({ code: "state_changed" });
    await expect(state.copyOut()).rejects.toMatchObject({ code: "state_lost" });
  });

  it("is made of tensors alone", () => {
    expect(() => engine.state({ a: 1 } as never)).toThrow(
      expect.objectContaining({ code: "argument_invalid" }),
    );
  });

  it("goes on from a snapshot, and each pays for its own changes", async () => {
    const state = counter();
    await state.exclusive((held) => held.apply(add, [[1, 1]]));
    const prefix = await state.snapshot();
    await state.exclusive((held) => held.apply(add, [[1, 1]]));
    await prefix.exclusive((held) => held.apply(add, [[5, 5]]));
    expect(await read(await state.copyOut())).toEqual([[2, 2], 2]);
    expect(await read(await prefix.copyOut())).toEqual([[6, 6], 2]);
  });

  it("cannot be used after it was disposed of", async () => {
    const state = counter();
    const last = state.exclusive(async (held) => {
      const step = held.apply(add, [[1, 1]]);
      await new Promise((resolve) => setImmediate(resolve));
      state.dispose();
      return await (await step).toArray();
    });
    expect(await last).toEqual([0, 0]);
    await expect(state.copyOut()).rejects.toMatchObject({ code: "state_lost" });
    const again = state.copyIn({ sum: engine.tensor([5, 5]), count: engine.tensor(1) });
    await expect(again).rejects.toMatchObject({ code: "state_lost" });
  });
});
