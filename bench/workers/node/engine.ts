import { Engine, type Tensor } from "davit-engine";

/** The engine of this process. */
export const engine = Engine.create();

/** float32 values that are neither 0 nor 1, from a fixed sequence. */
export function float32(...shape: number[]): Tensor {
  const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
  for (let index = 0; index < values.length; index++) values[index] = ((index * 37) % 101) / 101;
  const bytes = new Uint8Array(values.buffer);
  return engine.fromBytes(bytes, { dtype: "float32", shape });
}

/** Microseconds that each of `count` calls took, one after the other. */
export async function timed(count: number, call: () => Promise<unknown>): Promise<number[]> {
  const samples = new Array<number>(count);
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await call();
    samples[index] = (performance.now() - start) * 1000;
  }
  return samples;
}

/** As {@link timed}, of calls that return a tensor, which is freed once its time was taken. */
export function timedRuns(count: number, call: () => Promise<Tensor>): Promise<number[]> {
  let last: Tensor | undefined;
  return timed(count, async () => {
    last?.dispose();
    last = await call();
  });
}
