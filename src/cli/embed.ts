import { createInterface } from "node:readline";
import { checkTarget, FileError, writeTensors } from "../files/index.js";
import type { Pooling } from "../models/index.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { ENGINE_HELP, ENGINE_OPTIONS, engineOptions } from "./engine-options.js";
import { interruptible } from "./interrupt.js";

/** `davit embed`: vectors of texts. */
export const embed: Command = {
  summary: "make vectors of texts with an embedding model",
  help: `Usage: davit embed MODEL [TEXT...] [OPTIONS]

Makes a vector of each text with an embedding model: a Hugging Face folder of BERT's family, as sentence-transformers
writes it. Without TEXT every line of the standard input is a text.

  --pooling MODE              in place of the model's own: mean, max, cls, first, last
  --no-normalize              vectors as long as they are, where the model makes them 1 long
  --dimension N               the first N numbers of each vector
  --out FILE                  write the vectors, one row for each text, to a .npy, .npz or .safetensors file
  --json                      print one JSON object: the model's dimension and pooling, and each text with its vector
${ENGINE_HELP}
  --help                      this text

A text that is too long is computed up to the model's limit. Exit codes: 0 done, 1 failed, 2 called wrongly.

Example: davit embed all-MiniLM-L6-v2 "A davit is a crane." --json`,
  options: {
    pooling: { type: "string" },
    "no-normalize": { type: "boolean" },
    dimension: { type: "string" },
    out: { type: "string" },
    json: { type: "boolean" },
    ...ENGINE_OPTIONS,
  },
  positionals: ["MODEL", "TEXT..."],
  run: embedTexts,
};

async function embedTexts(args: Arguments): Promise<ExitCode> {
  const options = engineOptions(args);
  const [folder, ...given] = args.positionals as [string, ...string[]];
  const out = single(args, "out");
  await checkOut(out);
  const [{ Engine }, { Embedder, readPooling }] = await Promise.all([
    import("../engine/engine.js"),
    import("../models/index.js"),
  ]);
  const engine = Engine.create(options);
  await interruptible(async (signal) => {
    const pooling = poolingOf(args, await readPooling(folder));
    const embedder = await Embedder.open(engine, folder, { pooling });
    const texts = given.length > 0 ? given : await lines();
    const vectors = await embedder.embed(texts, { signal });
    if (out !== undefined) await write(out, vectors, embedder.dimension);
    if (args.flags.has("json")) {
      const embeddings = texts.map((text, n) => ({ text, vector: [...(vectors[n] ?? [])] }));
      const { dimension } = embedder;
      console.log(JSON.stringify({ dimension, pooling, embeddings }));
    } else if (out === undefined) {
      texts.forEach((text, n) => {
        console.log(`${text}\n  ${[...(vectors[n] ?? [])].map((x) => x.toFixed(6)).join(" ")}`);
      });
    }
  }).finally(() => engine.close());
  return 0;
}

/** Refuses an --out that the vectors could not be written to, before they are computed. */
async function checkOut(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  try {
    await checkTarget(path, 1);
  } catch (error) {
    if (error instanceof FileError) throw new UsageError(`--out ${error.message}`);
    throw error;
  }
}

const MODES = ["mean", "max", "cls", "first", "last"] as const;

function poolingOf(args: Arguments, own: Pooling): Pooling {
  const mode = single(args, "pooling") ?? own.mode;
  const dimension = single(args, "dimension");
  if (!MODES.includes(mode as never)) {
    throw new UsageError(`--pooling is "${mode}"; expected one of ${MODES.join(", ")}`);
  }
  if (dimension !== undefined && !/^[1-9]\d{0,5}$/.test(dimension)) {
    throw new UsageError(`--dimension is "${dimension}"; expected a whole number above 0`);
  }
  return {
    mode: mode as Pooling["mode"],
    normalize: own.normalize === true && !args.flags.has("no-normalize"),
    ...(dimension !== undefined && { dimension: Number(dimension) }),
  };
}

async function lines(): Promise<string[]> {
  const texts: string[] = [];
  for await (const line of createInterface({ input: process.stdin })) texts.push(line);
  return texts;
}

async function write(
  path: string,
  vectors: readonly Float32Array[],
  dimension: number,
): Promise<void> {
  const all = new Float32Array(vectors.length * dimension);
  vectors.forEach((vector, n) => {
    all.set(vector, n * dimension);
  });
  const type = { dtype: "float32", shape: [vectors.length, dimension] } as const;
  const array = { type, bytes: new Uint8Array(all.buffer) };
  await writeTensors(path, new Map([["embeddings", array]]));
}
