import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../../src/engine/engine.js";
import { openSafetensors, readTensors } from "../../src/files/index.js";
import { decodeGraph } from "../../src/graph/encoding/canonical.js";
import { ImportedFunction } from "../../src/mlxfn/index.js";
import type { Tensor } from "../../src/native-tensor.js";
import { diffRecordings } from "../../src/record/diff.js";
import { RecordingFile } from "../../src/record/reader.js";
import { openReplies } from "../../src/record/replay.js";
import { byteLength, formatType, type TensorType } from "../../src/tensor/dtype.js";
import { drawTensorFile, FORMATS, type Format } from "../bytes/formats.js";
import { drawGraphFile } from "../bytes/graph-file.js";
import type { Campaign } from "../campaign.js";
import { filled } from "../graphs/fill.js";
import { runGraph } from "../graphs/run-graph.js";
import { errorOutcome, type Outcome } from "../outcome.js";
import { Random } from "../random.js";
import { SettledMemory } from "../settled-memory.js";

/** A file that is read. */
export interface FileCase {
  readonly format: Format;
  readonly bytes: Uint8Array;
}

/** Broken files, each read in every way in which one of its kind is. */
export function fileCampaign(): Campaign<FileCase> {
  const folder = mkdtempSync(join(tmpdir(), "davit-fuzz-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const engine = Engine.create({ lanes: 1, memoryLimit: 2 ** 29, cacheLimit: 0 });
  const memory = new SettledMemory(engine);
  return {
    draw: drawFile,
    run: async ({ format, bytes }) => {
      try {
        if (format === "davit") return await runGraph(engine, decodeGraph(bytes), TAME, []);
        const path = join(folder, `case.${format}`);
        writeFileSync(path, bytes);
        await read(engine, path, format);
        return OK;
      } catch (error) {
        return errorOutcome(error);
      }
    },
    settle: () => memory.leak(),
    close: () => engine.close(),
  };
}

const OK: Outcome = { kind: "ok", digest: "" };
const MOST_BYTES = 2 ** 24;
const TAME = [{ style: "tame", seed: 1 }] as const;

function drawFile(seed: number): FileCase {
  const random = new Random(seed);
  const format = random.pick(FORMATS);
  const bytes = format === "davit" ? drawGraphFile(random) : drawTensorFile(random, format);
  return { format, bytes };
}

async function read(engine: Engine, path: string, format: Format): Promise<void> {
  if (format === "rec") return await readRecording(engine, path);
  if (format === "mlxfn") return await callFunction(engine, path);
  if (format === "safetensors") await readLazily(engine, path);
  for (const { type, bytes } of (await readTensors(path)).values()) {
    checkLength(type, bytes);
    const tensor = engine.fromBytes(bytes, type);
    await tensor.format();
    tensor.dispose();
  }
}

/** As `open_file` does: bytes are read when they are needed. */
async function readLazily(engine: Engine, path: string): Promise<void> {
  const { tensors } = await openSafetensors(path);
  for (const { type, offset } of tensors.values()) {
    const tensor = engine.fileTensor(path, offset, type);
    try {
      checkLength(type, await tensor.bytes());
    } finally {
      tensor.dispose();
    }
  }
}

/** Calls every trace of a function that MLX exported, but for those that take more data than anybody has. */
async function callFunction(engine: Engine, path: string): Promise<void> {
  using f = ImportedFunction.open(engine, path);
  for (const { inputs, keywords } of f.signatures) {
    if (inputs.some((type) => byteLength(type) > MOST_BYTES)) continue;
    const tensors = inputs.map((type) => engine.fromBytes(filled(type, TAME[0]), type));
    const byName = tensors.splice(inputs.length - keywords.length);
    const named = Object.fromEntries(
      keywords.map((name, index) => [name, byName[index] as Tensor]),
    );
    try {
      for (const value of await f.call(tensors, named)) value.dispose();
    } finally {
      for (const tensor of [...tensors, ...byName]) tensor.dispose();
    }
  }
}

async function readRecording(engine: Engine, path: string): Promise<void> {
  const file = await RecordingFile.open(path);
  try {
    for (const event of file.events) {
      for (const { type, bytes } of await file.values(event)) checkLength(type, bytes);
    }
  } finally {
    await file.close();
  }
  await diffRecordings(path, path);
  await (await openReplies(engine, path)).close();
}

function checkLength(type: TensorType, bytes: Uint8Array): void {
  if (bytes.length === byteLength(type)) return;
  throw new Error(`${bytes.length} bytes for ${formatType(type)}`);
}
