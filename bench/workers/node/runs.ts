/** Runs of programs without loops. */
import { hook, mx, type Tensor, type Traced } from "davit-engine";
import { engine, float32, timedRuns } from "./engine.js";

const bytes = new Uint8Array(new Float32Array(16).fill(1).buffer);
const type = { dtype: "float32", shape: [16] } as const;
const plusOne = engine.jit((x: Traced) => mx.add(x, 1));

/** x + 1 on float32[16], from the operand's bytes to the result's, by what a session calls: microseconds each. */
export async function evaluation(count: number): Promise<number[]> {
  const program = plusOne.program(engine.fromBytes(bytes, type));
  const { native } = engine;
  const once = () =>
    new Promise<number>((resolve, reject) => {
      const start = performance.now();
      const operand = native.put(type, bytes);
      const run = engine.start(program, [operand], {
        onDone: (error) => {
          if (error !== undefined) return reject(error);
          const [output] = run.outputs as [number];
          const result = Buffer.from(new Uint8Array(native.read(output)));
          const time = (performance.now() - start) * 1000;
          native.free(output);
          if (result.readFloatLE(60) === 2) resolve(time);
          else reject(new Error(`1 + 1 gave ${result.readFloatLE(60)}`));
        },
      });
      native.free(operand);
    });
  const samples = new Array<number>(count);
  for (let index = 0; index < count; index++) samples[index] = await once();
  return samples;
}

const SIZE = 1024;
const product = engine.jit((a: Traced, b: Traced) => mx.matmul(a, b));
let factors: [Tensor, Tensor] | undefined;

/** A product of two float32[1024, 1024]: microseconds each. */
export function matmul(count: number): Promise<number[]> {
  factors ??= [float32(SIZE, SIZE), float32(SIZE, SIZE)];
  const [a, b] = factors;
  return timedRuns(count, () => product(a, b));
}

const layers = (tap: (x: Traced, name: string) => Traced) => (x: Traced, weights: Traced) => {
  let y = x;
  for (let n = 0; n < 16; n++) y = tap(mx.tanh(mx.add(mx.matmul(y, weights), y)), `layer.${n}`);
  return y;
};
const bare = engine.jit(layers((x) => x));
const hooked = engine.jit(layers(hook));
let activations: [Tensor, Tensor] | undefined;

function layered(count: number, program: typeof bare): Promise<number[]> {
  activations ??= [float32(32, 64), float32(64, 64)];
  const [x, weights] = activations;
  return timedRuns(count, () => program(x, weights));
}

/** 16 small layers: microseconds a run. */
export const layersBare = (count: number): Promise<number[]> => layered(count, bare);

/** The same with a hook after each, to which nobody is subscribed. */
export const layersHooked = (count: number): Promise<number[]> => layered(count, hooked);
