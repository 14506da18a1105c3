import { Engine, type Event, type Summary, type TensorType, type View } from "davit-engine";
import { openEncoder } from "./encoder.js";
import { count, type DemoResult } from "./result.js";

interface Options {
  readonly model: string;
  readonly sentences: readonly string[];
  readonly say: (line: string) => void;
}

/** The same as demo.exs, in this process through the Node API. */
export async function demoInNode({ model, sentences, say }: Options): Promise<DemoResult> {
  const [start, engine] = timed(() => Engine.create());
  const { tokenizer, encoder, layers } = await openEncoder(engine, model);
  const { count: rows, length, ids, mask } = tokenizer.batch(sentences);
  const seen = { values: [] as string[], summaries: [] as string[] };
  const embed = engine.jit(encoder);
  const watch = (who: keyof typeof seen, view: View, text: (event: Event) => string) => {
    for (const layer of layers) {
      embed.on(
        layer,
        (event) => {
          seen[who].push(layer);
          say(`  ${who.padEnd(9)}  ${layer}  ${text(event)}`);
        },
        { view },
      );
    }
  };
  watch("values", "full", valuesText);
  watch("summaries", "summary", summaryText);
  const shape = [rows, length];
  const inputs = [
    engine.fromBytes(new Uint8Array(ids.buffer), { dtype: "int32", shape }),
    engine.fromBytes(new Uint8Array(mask.buffer), { dtype: "float32", shape }),
  ] as const;
  const [load] = timed(() => embed.program(...inputs));
  say(`The graph is traced and loaded (${load.toFixed(0)} ms).\n\nLayers, as they are computed:`);
  const before = performance.now();
  const output = await embed(...inputs);
  const embeddings = (await output.toArray()) as number[][];
  const run = performance.now() - before;
  await engine.close();
  say(`\nEmbedded in ${run.toFixed(0)} ms.\n`);
  similarities(sentences, embeddings, say);
  const events = { values: count(seen.values), summaries: count(seen.summaries) };
  return { host: "node", sentences, embeddings, events, timings: { start, load, run } };
}

/** The milliseconds that something took, and what it gave. */
function timed<T>(action: () => T): [milliseconds: number, result: T] {
  const started = performance.now();
  const result = action();
  return [performance.now() - started, result];
}

function valuesText({ value, types }: Event): string {
  const { dtype, shape } = types[0] as TensorType;
  const values = value as Float32Array;
  const first = [...values.subarray(0, 4)].map(fixed).join(" ");
  return `${dtype}[${shape.join(", ")}]  ${Math.round(values.byteLength / 1024)} KiB  ${first} ...`;
}

function summaryText({ value }: Event): string {
  const { min, max, mean, std } = value as Summary;
  return `min ${fixed(min)}  max ${fixed(max)}  mean ${fixed(mean)}  std ${fixed(std)}`;
}

function fixed(value: number): string {
  return value.toFixed(4).padStart(8);
}

/** Prints the cosine of every pair; the vectors have length 1. */
function similarities(
  sentences: readonly string[],
  embeddings: readonly (readonly number[])[],
  say: (line: string) => void,
): void {
  sentences.forEach((sentence, n) => {
    say(`  ${n + 1}  ${sentence}`);
  });
  say(`\n     ${sentences.map((_, n) => String(n + 1).padStart(6)).join("")}`);
  for (const [n, a] of embeddings.entries()) {
    const row = embeddings.map((b) => a.reduce((sum, x, at) => sum + x * (b[at] as number), 0));
    say(
      `  ${String(n + 1).padStart(2)} ${row.map((cosine) => cosine.toFixed(2).padStart(6)).join("")}`,
    );
  }
}
