import { afterAll, describe, expect, it } from "vitest";
import { Engine, type Event, hook, mx, type Traced } from "../../../src/index.js";

const engine = Engine.create();
afterAll(() => engine.close());

const NAMES = ["doubled", "powers", "sums", "quotients", "product", "logarithm"];

/** Ops that become one kernel, a product, and one more kernel; a hook on each value where `watched`. */
function chain(watched: boolean) {
  return (x: Traced) => {
    const see = (value: Traced, name: string) => (watched ? hook(value, name) : value);
    const doubled = see(mx.multiply(x, 2), "doubled");
    const powers = see(mx.exp(doubled), "powers");
    const sums = see(mx.sum(powers, { axes: [0], keepdims: true }), "sums");
    const quotients = see(mx.divide(powers, mx.stop_gradient(sums)), "quotients");
    const product = see(mx.matmul(quotients, quotients), "product");
    const logarithm = see(mx.log(product), "logarithm");
    return [doubled, powers, sums, quotients, product, logarithm];
  };
}

describe("hooks inside fused kernels", () => {
  const rows = Array.from({ length: 40 }, (_, i) =>
    Array.from({ length: 40 }, (_, j) => Math.sin(i + 7 * j)),
  );

  it("see what the values are without them, in the order of the program", async () => {
    const plain = await engine.jit(chain(false))(rows);
    const expected = await Promise.all(plain.map((tensor) => tensor.toArray()));
    const f = engine.jit(chain(true));
    const seen: Event[] = [];
    const watches = NAMES.map((name) => f.on(name, (event) => seen.push(event)));
    const results = await f(rows);
    expect(seen.map(({ name }) => name)).toEqual(NAMES);
    const flat = expected.map((value) => (value as number[][]).flat());
    expect(seen.map(({ value }) => [...(value as Float32Array)])).toEqual(flat);
    expect(await Promise.all(results.map((tensor) => tensor.toArray()))).toEqual(expected);
    for (const watch of watches) watch.close();
  });

  it.each(NAMES)("see them where only %s is watched", async (name) => {
    const f = engine.jit((x: Traced) => chain(true)(x).at(-1) as Traced);
    const all = engine.jit(chain(false));
    const expected = await Promise.all((await all(rows)).map((tensor) => tensor.toArray()));
    const seen: Event[] = [];
    const watch = f.on(name, (event) => seen.push(event));
    expect(await (await f(rows)).toArray()).toEqual(expected.at(-1));
    const value = (expected[NAMES.indexOf(name)] as number[][]).flat();
    expect(seen.map((event) => [...(event.value as Float32Array)])).toEqual([value]);
    watch.close();
  });
});
