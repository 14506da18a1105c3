/** The program store: first results with and without it, and what finding costs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine, hook, label, mx, type Traced } from "davit-engine";
import { Store } from "../../../src/store/index.js";

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

/** Milliseconds to find one function of a thousand, and to find all. */
export async function storePartial(rounds: number): Promise<number[]> {
  return withFolder(async (path) => {
    const functions = Array.from({ length: 1000 }, (_, number) => ({
      name: `f${number}`,
      data: Buffer.alloc(10_000, number),
    }));
    new Store({ path }).add({ functions });
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const count of [1, 1000]) {
        const store = new Store({ path });
        const begin = performance.now();
        for (let number = 0; number < count; number++) store.find(`f${number}`);
        times.push(performance.now() - begin);
      }
    }
    return times;
  });
}

/** Microseconds to find a small program in a store with many, each found once. */
export async function storeHit(rounds: number): Promise<number[]> {
  return withFolder(async (path) => {
    const store = new Store({ path });
    for (let number = 0; number < rounds; number++) {
      store.add({ functions: [{ name: `f${number}`, data: Buffer.alloc(2000, number) }] });
    }
    const other = new Store({ path });
    return Array.from({ length: rounds }, (_, number) => {
      const begin = performance.now();
      other.find(`f${number}`);
      return (performance.now() - begin) * 1000;
    });
  });
}

async function withFolder<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), "davit-bench-"));
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true });
  }
}
