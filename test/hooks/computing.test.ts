import { afterAll, describe, expect, it } from "vitest";
import { callback, Engine, forLoop, hook, mx, type Tensor, type Traced } from "../../src/index.js";

// A few events fit the credit, so that runs wait for their handlers.
const engine = Engine.create({ lanes: 2, hookCredit: 1024 });
afterAll(() => engine.close());

const COUNT = 300;
const scalar = [{ dtype: "float32", shape: [] }] as const;
const small = engine.jit((x: Traced) => mx.add(x, 1));
// On a lane, where the small one need not be.
const looped = engine.jit((x: Traced) => forLoop(3, x, (s) => mx.add(s, 1)));
const flooding = () =>
  engine.jit((x: Traced) => forLoop(COUNT, x, (s) => hook(mx.add(s, 1), "flood")));
const number = async (tensor: Promise<Tensor>) => (await (await tensor).toArray()) as number;

describe("handlers that run programs while the run waits for them", () => {
  it.each([
    ["small ones", small, 1],
    ["such with loops", looped, 3],
  ])("%s, of a subscription", async (_, compute, more) => {
    const f = flooding();
    const seen: number[] = [];
    const watch = f.on("flood", async ({ value }) => {
      seen.push(await number(compute((value as Float32Array)[0] as number)));
    });
    expect(await number(f(0))).toBe(COUNT);
    // The last ones may still be computing.
    while (seen.length < COUNT) await new Promise(setImmediate);
    watch.close();
    expect(seen).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1 + more));
  });

  it("of the run itself, and of the runs that those handlers start", async () => {
    let inner = 0;
    const deep = engine.jit((x: Traced) =>
      forLoop(30, x, (s) =>
        hook(mx.add(s, 1), async ({ value }) => {
          await looped((value as Float32Array)[0] as number);
          inner++;
        }),
      ),
    );
    const f = engine.jit((x: Traced) =>
      forLoop(30, x, (s) => hook(mx.add(s, 1), async () => void (await deep(0)))),
    );
    expect(await number(f(0))).toBe(30);
    expect(inner).toBe(900);
  });

  it("that close their own subscription, and go on computing", async () => {
    const f = flooding();
    let sum = 0;
    await new Promise<void>((resolve) => {
      const watch = f.on("flood", async () => {
        watch.close();
        for (let n = 0; n < 5; n++) sum += await number(looped(n));
        resolve();
      });
      void f(0);
    });
    expect(sum).toBe(25);
  });

  it("that leave something behind, which runs programs when they have returned", async () => {
    let behind: Promise<number> | undefined;
    const later = async (value: number) => {
      // Until the reply has gone.
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
      return number(looped(value));
    };
    const f = engine.jit(
      (x: Traced) =>
        callback(
          x,
          () => {
            behind = later(4);
            return 1;
          },
          scalar,
        )[0] as Traced,
    );
    expect(await number(f(0))).toBe(1);
    expect(await behind).toBe(7);
    const hooked = engine.jit((x: Traced) =>
      hook(x, () => {
        behind = later(5);
      }),
    );
    await hooked(0);
    expect(await behind).toBe(8);
  });
});
