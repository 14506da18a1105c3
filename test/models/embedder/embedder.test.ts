import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Embedder, Engine, isMaterialized } from "../../../src/index.js";
import { writeTinyBert } from "../tiny-bert.js";

let engine: Engine;
let folder: string;
let embedder: Embedder;
beforeAll(async () => {
  engine = Engine.create({ lanes: 3 });
  folder = await mkdtemp(join(tmpdir(), "davit-embedder-"));
  await writeTinyBert(folder);
  embedder = await Embedder.open(engine, folder, { pooling: { mode: "mean", normalize: true } });
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

const near = (a: Float32Array | undefined, b: Float32Array | undefined) =>
  a?.forEach((x, n) => {
    expect(x).toBeCloseTo(b?.[n] as number, 4);
  });

const TEXTS = Array.from({ length: 23 }, (_, n) =>
  Array.from({ length: (n * 7) % 29 }, (_, i) => ((i * n) % 3 === 0 ? "a" : "b")).join(" "),
);

it("opens a folder with its weights materialized, its tokenizer and its pooling", async () => {
  const { model, pooling, dimension, tokenizer } = embedder;
  expect(isMaterialized(model)).toBe(true);
  expect(pooling).toEqual({ mode: "mean", normalize: true });
  expect([dimension, tokenizer.longest]).toEqual([8, 32]);
  const own = await Embedder.open(engine, folder);
  expect(own.pooling).toEqual({ mode: "mean", normalize: false });
  own.dispose();
});

it("returns a vector for each text, in their order, the same as for each alone", async () => {
  const all = await embedder.embed(TEXTS);
  expect(all.length).toBe(TEXTS.length);
  for (const [n, text] of TEXTS.entries()) {
    const [alone] = await embedder.embed([text]);
    near(all[n], alone);
    expect(Math.hypot(...(alone as Float32Array))).toBeCloseTo(1, 5);
  }
});

it("takes no texts, empty ones and very long ones", async () => {
  expect(await embedder.embed([])).toEqual([]);
  const [empty, spaces, long, longer] = await embedder.embed([
    "",
    "  ",
    "a ".repeat(100),
    "a ".repeat(100_000),
  ]);
  expect(empty).toEqual(spaces);
  expect(empty?.every(Number.isFinite)).toBe(true);
  near(long, longer);
  const refused = embedder.embed(["a", "a ".repeat(31)], { tooLong: "refuse" });
  await expect(refused).rejects.toMatchObject({ code: "text_too_long" });
  await expect(refused).rejects.toThrow(/^text 1 has more than 32 tokens: "a a /);
  expect((await embedder.embed(["a ".repeat(30)], { tooLong: "refuse" })).length).toBe(1);
});

it.each([[["a", 5]], ["a"], [undefined], [[null]]])("refuses %j", async (texts) => {
  await expect(embedder.embed(texts as never)).rejects.toMatchObject({ code: "argument_invalid" });
});

describe("poolings", () => {
  it("are those that are given", async () => {
    const one = async (pooling: Parameters<typeof Embedder.open>[2]) => {
      const other = await Embedder.open(engine, folder, pooling);
      const [vector] = await other.embed(["a b a"]);
      other.dispose();
      return vector as Float32Array;
    };
    const tokens = await one({ pooling: { mode: "none" } });
    expect(tokens.length).toBe(5 * 8);
    near(await one({ pooling: { mode: "cls" } }), tokens.slice(0, 8));
    near(await one({ pooling: { mode: "last" } }), tokens.slice(32));
    near(await one({ pooling: { mode: "first", dimension: 3 } }), tokens.slice(0, 3));
    await expect(one({ pooling: { mode: "sum" as never } })).rejects.toMatchObject({
      code: "pooling_invalid",
    });
  });
});

describe("calls at the same time", () => {
  it("have the results that they have alone, over one copy of the weights", async () => {
    const alone: Float32Array[][] = [];
    for (let n = 0; n < 8; n++) alone.push(await embedder.embed(TEXTS.slice(n, n + 9)));
    const together = await Promise.all(alone.map((_, n) => embedder.embed(TEXTS.slice(n, n + 9))));
    expect(together).toEqual(alone);
  });

  it("go to different lanes", async () => {
    const run = vi.spyOn(engine, "run");
    const queues = () => run.mock.calls.splice(0).map(([, , options]) => options?.queue);
    await Promise.all([embedder.embed(["a"]), embedder.embed(["b"]), embedder.embed(["a b"])]);
    const together = queues();
    expect([together.length, new Set(together).size]).toEqual([3, 3]);
    // Batches of one call too.
    await embedder.embed(["a", "b ".repeat(20)]);
    expect(new Set(queues()).size).toBe(2);
    run.mockRestore();
  });

  it("overlap: one that waits for its watcher does not hold up another", async () => {
    const own = Engine.create({ lanes: 2, hookCredit: 1 });
    const [watched, other] = await Promise.all([
      Embedder.open(own, folder),
      Embedder.open(own, folder),
    ]);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const seen = new Promise<void>((resolve) => {
      watched.on("encoder.0", async () => {
        resolve();
        await held;
      });
    });
    let ended = false;
    // The second batch waits for the credit that the first one's event has.
    const slow = watched.embed(["a", "a ".repeat(20)]).finally(() => {
      ended = true;
    });
    await seen;
    expect((await other.embed(["a"])).length).toBe(1);
    expect(ended).toBe(false);
    release();
    expect((await slow).length).toBe(2);
    await own.close();
  });
});

it("is cancelled by a signal, and used again after that", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(embedder.embed(["a"], { signal })).rejects.toThrow("enough");
  expect((await embedder.embed(["a"])).length).toBe(1);
});

it("is of no use once it was disposed of", async () => {
  const other = await Embedder.open(engine, folder);
  other.dispose();
  await expect(other.embed(["a"])).rejects.toMatchObject({ code: "function_disposed" });
});
