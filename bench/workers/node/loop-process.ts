/**
 * A loop that drops its tensors, in a process of its own: loop-process.js ELEMENTS STEPS HOOKED. Prints the engine's peak over
 * the bytes of the two tensors that are alive, and the process's peak over what it has after the first steps.
 */
import { readFileSync } from "node:fs";
import { Engine, hook, mx, type Traced } from "davit-engine";

/** Steps until the process has what it needs anyway. */
const WARM = 1000;
/** How often the process is looked at. */
const SAMPLES = 200;

const [elements, steps, hooked] = process.argv.slice(2).map(Number) as [number, number, number];
const engine = Engine.create();
const step = engine.jit((x: Traced) => {
  const next = mx.add(x, 1);
  return hooked === 0 ? next : hook(next, "next");
});
let fired = 0;
step.on("next", () => {
  fired++;
});

/** Bytes of memory that the process has. */
function resident(): number {
  const [, pages] = readFileSync("/proc/self/statm", "utf8").split(" ");
  return Number(pages) * 4096;
}

let w = engine.tensor(new Float32Array(elements));
let most = 0;
let warm = 0;
for (let count = 1; count <= steps; count++) {
  w = await step(w);
  if (count === Math.min(WARM, steps)) warm = resident();
  if (count % Math.ceil(steps / SAMPLES) === 0) most = Math.max(most, resident());
}
if (w.view()[0] !== steps) throw new Error(`the loop's result is ${w.view()[0]}`);
if (fired !== hooked * steps) throw new Error(`${fired} hooks fired`);
console.log(engine.info().memory.peak / (2 * 4 * elements), most / warm);
await engine.close();
