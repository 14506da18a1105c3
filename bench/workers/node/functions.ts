/** A function that MLX exported, beside the same function written here. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImportedFunction, mx, openFunction, type Tensor, type Traced } from "davit-engine";
import { root } from "../../tools.js";
import { engine, float32, timedRuns } from "./engine.js";

const LAYERS = 24;
const WIDTH = 128;
const TOKENS = 16;

let file: string | undefined;

/** The path of the exported model. */
function exported(): string {
  if (file !== undefined) return file;
  const folder = mkdtempSync(join(tmpdir(), "davit-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "model.mlxfn");
  const python = join(root, ".deps", "python-reference", "python3");
  const script = join(root, "bench", "workers", "export_model.py");
  execFileSync(python, [script, path, String(LAYERS), String(WIDTH)]);
  file = path;
  return path;
}

/** Milliseconds until the file is open and its graph is made; and the bytes that were read. */
export async function functionOpen(): Promise<number[]> {
  const path = exported();
  const start = performance.now();
  const opened = openFunction(path);
  opened.graph(0);
  return [performance.now() - start, opened.bytesRead];
}

let imported: (() => Promise<Tensor>) | undefined;

/** Microseconds of each call of the imported model. */
export async function functionRun(count: number): Promise<number[]> {
  if (imported === undefined) {
    const f = ImportedFunction.open(engine, exported());
    const x = float32(TOKENS, WIDTH);
    imported = async () => (await f.call([x]))[0] as Tensor;
  }
  return await timedRuns(count, imported);
}

let written: (() => Promise<Tensor>) | undefined;

/** Microseconds of each call of the same model, traced here. */
export async function functionWritten(count: number): Promise<number[]> {
  if (written === undefined) {
    const layers = Array.from({ length: LAYERS }, () => ({
      norm: float32(WIDTH),
      gate: float32(WIDTH, 4 * WIDTH),
      up: float32(WIDTH, 4 * WIDTH),
      down: float32(4 * WIDTH, WIDTH),
    }));
    const forward = engine.jit((x: Traced) =>
      layers.reduce((y, { norm, gate, up, down }) => {
        const normed = mx.fast.rms_norm(y, norm, { eps: 1e-5 });
        const gated = mx.matmul(normed, gate);
        const activated = mx.multiply(mx.multiply(gated, mx.sigmoid(gated)), mx.matmul(normed, up));
        return mx.add(y, mx.matmul(activated, down));
      }, x),
    );
    const x = float32(TOKENS, WIDTH);
    written = async () => (await forward(x)) as Tensor;
  }
  return await timedRuns(count, written);
}
