import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { decode, encode } from "@msgpack/msgpack";
import { Engine, encodeGraph, ofType, trace } from "davit-engine";
import { openEncoder } from "./encoder.js";
import { count, type DemoResult } from "./result.js";

/** Tells whether Elixir's mix is on the PATH. */
export function hasElixir(): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, "mix"), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

interface Options {
  readonly root: string;
  readonly model: string;
  readonly sentences: readonly string[];
  readonly json: boolean;
}

/**
 * Prepares what Elixir needs: the graph as a file, the tokens, and which weights the graph names. Then hands the
 * terminal to demo.exs, which starts an engine of its own.
 */
export async function demoInElixir({ root, model, sentences, json }: Options): Promise<DemoResult> {
  const folder = await mkdtemp(join(tmpdir(), "davit-demo-"));
  try {
    const request = await prepare(root, model, sentences);
    const graph = join(folder, "minilm.davit");
    const answer = join(folder, "answer.msgpack");
    await writeFile(graph, request.graph);
    const file = join(folder, "request.msgpack");
    await writeFile(file, encode({ ...request, graph, answer }));
    const script = join(root, "examples", "minilm", "demo.exs");
    const child = spawn("mix", ["run", script, file], {
      cwd: join(root, "elixir_client"),
      env: { ...process.env, ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" },
      stdio: ["inherit", json ? process.stderr : "inherit", "inherit"],
    });
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) throw new Error(`examples/minilm/demo.exs ended with exit code ${code}`);
    const { timings, events, embeddings } = decode(await readFile(answer)) as Answer;
    const counted = { values: count(events.values), summaries: count(events.summaries) };
    return { host: "elixir", sentences, embeddings, events: counted, timings };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What demo.exs writes. */
interface Answer extends Pick<DemoResult, "timings" | "embeddings"> {
  /** The layers that each subscriber saw, in order. */
  readonly events: { readonly values: readonly string[]; readonly summaries: readonly string[] };
}

async function prepare(root: string, model: string, sentences: readonly string[]) {
  const engine = Engine.create({ lanes: 1 });
  const { tokenizer, encoder, layers, weightsPath, weightNames } = await openEncoder(engine, model);
  const { count: rows, length, ids, mask } = tokenizer.batch(sentences);
  const shape = [rows, length];
  const inputs = [
    { type: { dtype: "int32", shape }, bytes: new Uint8Array(ids.buffer) },
    { type: { dtype: "float32", shape }, bytes: new Uint8Array(mask.buffer) },
  ] as const;
  const traced = trace(
    encoder,
    inputs.map(({ type }) => ofType(type)),
    "minilm",
  );
  const names = [...traced.captures].map(([external, tensor]) => [
    external,
    weightNames.get(tensor as never),
  ]);
  await engine.close();
  return {
    sentences,
    layers,
    inputs: inputs.map(({ bytes }) => bytes),
    graph: encodeGraph(traced.graph),
    weights: weightsPath,
    externals: Object.fromEntries(names) as Record<string, string>,
    engine: [process.execPath, join(root, "dist", "cli", "main.js"), "port"],
  };
}
