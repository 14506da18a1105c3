/** The program store: first results with and without it, and what finding costs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Engine, hook, label, mx, type Traced } from "davit-engine";
import type { StoreModule, Store as StoreType } from "../../../src/store/index.js";
import { root } from "../../tools.js";

/** The store of the package as it was built; it is no part of what the package exports. */
const { Store } = (await import(pathToFileURL(join(root, "dist/store/index.js")).href)) as {
  readonly Store: typeof StoreType;
};

const LAYERS = 24;
const WIDTH = 16;

/** A transformer of 24 layers with a hook in each, without its weights: 1,000 nodes. */
function transformer(x: Traced, w: Traced): Traced {
  let h = x;
  for (let index = 0; index < LAYERS; index++) {
    h = label(`layer.${index}`, () => {
      const normed = mx.divide(h, mx.add(mx.sqrt(mx.mean(mx.square(h), { keepdims: true })), 1));
      const [q, k, v] = [1, 2, 3].map((scale) => mx.matmul(mx.multiply(normed, scale), w));
      const scores = mx.softmax(
        mx.divide(mx.matmul(q as Traced, mx.transpose(k as Traced)), Math.sqrt(WIDTH)),
        { axes: [-1] },
      );
      const attended = mx.add(h, mx.matmul(mx.matmul(scores, v as Traced), w));
      const gate = mx.matmul(attended, w);
      const wide = mx.multiply(mx.multiply(gate, mx.sigmoid(gate)), mx.matmul(attended, w));
      return hook(mx.add(attended, mx.matmul(wide, w)), `layer.${index}`);
    });
  }
  return h;
}

async function first(fn: (...args: Traced[]) => Traced, args: number[][][], options: object) {
  const engine = Engine.create({ lanes: 1, ...options });
  const store = "store" in options ? { store: { name: "f", verify: false } } : {};
  const f = engine.jit(fn, store);
  const begin = performance.now();
  await (await f(...args)).toArray();
  const time = performance.now() - begin;
  const { stored } = f.programs;
  await engine.close();
  return { time, stored };
}

const square = Array.from({ length: WIDTH }, (_, row) =>
  Array.from({ length: WIDTH }, (_, column) => Math.sin(row * WIDTH + column)),
);

/** Milliseconds until the first result of an engine that has just begun: without the store, and from it. */
export async function storeWarm(rounds: number): Promise<number[]> {
  return withFolder(async (store) => {
    const times: number[] = [];
    const args = [square, square];
    await first(transformer, args, { store });
    for (let round = 0; round < rounds; round++) {
      const cold = await first(transformer, args, {});
      const warm = await first(transformer, args, { store });
      if (warm.stored !== 1) throw new Error("the store did not have it");
      times.push(cold.time, warm.time);
    }
    return times;
  });
}

/** Milliseconds to find one function of a module of a thousand, and one that needs all others. */
export async function storePartial(rounds: number): Promise<number[]> {
  return withFolder(async (path) => {
    const functions = Array.from({ length: 1000 }, (_, number) => ({
      name: `f${number}`,
      data: Buffer.alloc(10_000, number),
    }));
    const all = { name: "all", data: Buffer.alloc(0), functions: functions.map((f) => f.name) };
    const module: StoreModule = { functions: [...functions, all] };
    new Store({ path }).add(module);
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const name of [`f${97 * round}`, "all"]) {
        const store = new Store({ path });
        const begin = performance.now();
        store.find(name);
        times.push(performance.now() - begin);
        if (store.counts.hits !== 1) throw new Error(`the store did not have ${name}`);
      }
    }
    return times;
  });
}

/**
 * Microseconds that the store adds to the first call of a small function, each of another one: reading the program, loading it, and MLX's
 * compiling. That is the first call less the second one.
 */
export async function storeHit(rounds: number): Promise<number[]> {
  return withFolder(async (store) => {
    const times: number[] = [];
    for (const stored of [0, 1]) {
      const engine = Engine.create({ lanes: 1, store });
      for (let number = 0; number < rounds; number++) {
        const f = engine.jit((x: Traced) => mx.add(mx.multiply(x, 2), 1), {
          store: { name: `f${number}`, verify: false },
        });
        const [first, second] = [await timed(f), await timed(f)];
        if (f.programs.stored !== stored)
          throw new Error(`${f.programs.stored} came from the store`);
        if (stored === 1) times.push(first - second);
      }
      await engine.close();
    }
    return times;
  });
}

async function timed(f: (x: number) => Promise<{ toArray(): Promise<unknown> }>): Promise<number> {
  const begin = performance.now();
  await (await f(1)).toArray();
  return (performance.now() - begin) * 1000;
}

async function withFolder<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), "davit-bench-"));
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true });
  }
}
