import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { mx, type Traced } from "davit-engine";
import { engine } from "./engine.js";

const plusOne = engine.jit((x: Traced) => mx.add(x, 1));

/** A view of a tensor of so many bytes that a run has just made, read-only or writable: milliseconds. */
export async function viewTime(bytes: number, writable: number): Promise<number[]> {
  const x = engine.fill({ dtype: "float32", shape: [bytes / 4] }, (array) => {
    (array as Float32Array).fill(1);
  });
  const y = await plusOne(x);
  x.dispose();
  const start = performance.now();
  const view = writable === 1 ? y.view({ writable: true }) : y.view();
  const time = performance.now() - start;
  if (view[bytes / 4 - 1] !== 2) throw new Error(`1 + 1 gave ${view[bytes / 4 - 1]}`);
  y.dispose();
  return [time];
}

/** A copy of so many bytes into new memory: milliseconds. */
export async function copyTime(bytes: number): Promise<number[]> {
  const from = new Float32Array(bytes / 4).fill(1);
  const start = performance.now();
  const copy = from.slice();
  const time = performance.now() - start;
  return copy[0] === 1 ? [time] : [];
}

const buffers = new Map<number, readonly [Buffer, Buffer]>();

/** Copies so many bytes from one place to another, both in use before: gigabytes a second. */
export async function memcpy(bytes: number): Promise<number[]> {
  let pair = buffers.get(bytes);
  if (pair === undefined) {
    pair = [Buffer.alloc(bytes, 1), Buffer.alloc(bytes, 2)];
    buffers.set(bytes, pair);
  }
  const [from, to] = pair;
  const start = performance.now();
  from.copy(to);
  return [bytes / ((performance.now() - start) * 1e6)];
}

/** A loop that drops its tensors: the engine's peak over what is alive, and the process's over what it has at first. */
export async function loopMemory(
  elements: number,
  steps: number,
  hooked: number,
): Promise<number[]> {
  const script = fileURLToPath(new URL("loop-process.js", import.meta.url));
  const args = [script, elements, steps, hooked].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return stdout.trim().split(" ").map(Number);
}
