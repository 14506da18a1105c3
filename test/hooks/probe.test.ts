import { afterAll, describe, expect, it } from "vitest";
import {
  callback,
  Engine,
  type Event,
  forLoop,
  label,
  mx,
  type Subscription,
  type Summary,
  type Tensor,
  type Traced,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 1 });
afterAll(() => engine.close());

/** Two layers, of which nobody thought as something to be watched. */
const network = () =>
  engine.jit((x: Traced) => {
    const layer = (x: Traced, name: string) =>
      label(name, () => mx.tanh(label("dense", () => mx.multiply(mx.add(x, 0.5), 1.5))));
    return layer(layer(x, "encoder.0"), "encoder.1");
  });

const compiled = () => engine.info().counters.compiled as number;

describe("probes", () => {
  it("watch labelled nodes of a function that is loaded already", async () => {
    const f = network();
    const bare = await (await f([1, -2])).toArray();
    const seen: Event[] = [];
    const watch = f.probe("encoder.*", (event) => seen.push(event));
    const watched = await f([1, -2]);
    expect(await watched.toArray()).toEqual(bare);
    expect(seen.map((event) => event.label)).toEqual([
      ...["encoder.0.dense.add", "encoder.0.dense", "encoder.0"],
      ...["encoder.1.dense.add", "encoder.1.dense", "encoder.1"],
    ]);
    const values = seen.map(({ value }) => [...(value as Float32Array)]);
    expect(values[0]).toEqual([1.5, -1.5]);
    expect(values[5]).toEqual(bare);
    watch.close();
    await f([1, -2]);
    expect(seen).toHaveLength(6);
  });

  it("watch functions that are traced later, by glob, with a policy and a view", async () => {
    const f = network();
    const summaries: Event[] = [];
    const watch = f.probe("encoder.?.dense", (event) => summaries.push(event), {
      view: "summary",
      policy: { sample: 2 },
    });
    await f([3, 5]);
    await f([3, 5]);
    watch.close();
    expect(summaries.map((event) => [event.label, event.dropped])).toEqual([
      ["encoder.0.dense", 0],
      ["encoder.0.dense", 1],
    ]);
    expect(summaries[0]?.value as Summary).toMatchObject({ count: 2, min: 5.25, max: 8.25 });
  });

  it("cost nothing when nobody watches: the bare program runs again, without being compiled anew", async () => {
    const f = network();
    await f([1, 2]);
    const before = compiled();
    for (const glob of Array(10).fill(["encoder.0", "encoder.1"]).flat()) {
      let count = 0;
      const watch = f.probe(glob, () => count++);
      await f([1, 2]);
      watch.close();
      expect(count).toBe(1);
    }
    // One variant for each of the two sets of watched nodes, kept for the next time.
    expect(compiled()).toBe(before + 2);
    await f([1, 2]);
    expect(compiled()).toBe(before + 2);
  });

  it("keep few variants: watching ever other nodes drops the oldest, and results stay the same", async () => {
    const depth = 12;
    const f = engine.jit((x: Traced) => {
      let y = x;
      for (let n = 0; n < depth; n++) y = label(`l${n}`, () => mx.add(y, n));
      return y;
    });
    const expected = await (await f([0])).toArray();
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < depth; n++) {
        const seen: number[] = [];
        const watch = f.probe(`l${n}`, ({ value }) => seen.push((value as Float32Array)[0] ?? -1));
        expect(await (await f([0])).toArray()).toEqual(expected);
        watch.close();
        expect(seen).toEqual([(n * (n + 1)) / 2]);
      }
    }
    expect(await (await f([0])).toArray()).toEqual(expected);
  });

  it("attach to a loop under way, and leave it", async () => {
    const paths: (readonly number[])[] = [];
    let iteration = 0;
    let watch: Subscription | undefined;
    const turn = (x: Tensor) => {
      if (iteration === 2) watch = f.probe("step", ({ path }) => paths.push(path));
      if (iteration === 5) watch?.close();
      iteration++;
      return x;
    };
    const f = engine.jit((x: Traced) =>
      forLoop(8, x, (x) => {
        const [y] = callback(x, turn, [{ dtype: "float32", shape: [] }]);
        return label("step", () => mx.add(y as Traced, 1));
      }),
    );
    expect(await (await f(0)).toArray()).toBe(8);
    expect(paths).toEqual([[2], [3], [4]]);
  });
});
