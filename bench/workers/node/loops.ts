/** Loops, and hooks in them. */
import { setTimeout } from "node:timers/promises";
import { forLoop, hook, type Jitted, mx, type Traced, whileLoop } from "davit-engine";
import { engine, float32, timedRuns } from "./engine.js";

/** x + 1 while x is below a bound: only the value tells when to end. */
const untilBound = engine.jit((x: Traced, bound: Traced) =>
  whileLoop(
    x,
    (value) => mx.less(value, bound),
    (value) => mx.add(value, 1),
  ),
);

/** Microseconds an iteration, of one run with that many. */
export async function whileDynamic(iterations: number): Promise<number[]> {
  const [time] = await timedRuns(1, () => untilBound(0.5, iterations));
  return [(time as number) / iterations];
}

const counted = new Map<string, Jitted<Traced>>();

/** x + 1 so many times, with a hook on it or not. */
function countedLoop(iterations: number, hooked: boolean): Jitted<Traced> {
  const key = `${iterations} ${hooked}`;
  let loop = counted.get(key);
  if (loop === undefined) {
    loop = engine.jit((x: Traced) =>
      forLoop(iterations, x, (value) => {
        const next = mx.add(value, 1);
        return hooked ? hook(next, "in node") : next;
      }),
    );
    counted.set(key, loop);
  }
  return loop;
}

/** Microseconds an iteration, of one run with that many. */
export async function whileCounted(iterations: number): Promise<number[]> {
  const loop = countedLoop(iterations, false);
  const [time] = await timedRuns(1, () => loop(0.5));
  return [(time as number) / iterations];
}

/** Events a second of float32[16], from a counted loop into a handler of this process. */
export async function hookEvents(count: number): Promise<number[]> {
  const loop = countedLoop(count, true);
  const x = float32(16);
  let seen = 0;
  const watch = loop.on("in node", ({ value }) => {
    if ((value as Float32Array).length === 16) seen++;
  });
  const [time] = await timedRuns(1, () => loop(x));
  watch.close();
  if (seen !== count) throw new Error(`${seen} of ${count} events came`);
  return [count / ((time as number) / 1e6)];
}

/** Seconds of work without a loop or branch in it. */
const longSegment = engine.jit((x: Traced) => {
  let y = hook(x, "begun");
  for (let n = 0; n < 500; n++) y = mx.matmul(y, x);
  return y;
});

/** Milliseconds from a cancel in the middle of a segment until the run is over, so many times. */
export async function cancel(count: number): Promise<number[]> {
  const x = float32(1024, 1024);
  const samples: number[] = [];
  for (let n = 0; n < count; n++) {
    const abort = new AbortController();
    let watch: { close(): void } | undefined;
    const begun = new Promise((resolve) => {
      watch = longSegment.on("begun", resolve, { view: "summary" });
    });
    const run = longSegment.with({ signal: abort.signal }, x).then(
      () => false,
      () => true,
    );
    await begun;
    watch?.close();
    // In the middle of some product.
    await setTimeout(50);
    const start = performance.now();
    abort.abort();
    if (!(await run)) throw new Error("the run was over before it was cancelled");
    samples.push(performance.now() - start);
  }
  return samples;
}
