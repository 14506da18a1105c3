import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

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
