/** Ops on tensors of about a million elements, by the names that ../peers.py knows as well. */
import { grad, mx, type Tensor, type Traced } from "davit-engine";
import { engine, float32, timed } from "./engine.js";

type Operands = () => readonly Tensor[];
type Body = (...operands: Traced[]) => Traced | Traced[];
type Measure = (count: number) => Promise<number[]>;

/** Microseconds of each call of a program. */
function op(operands: Operands, body: Body): Measure {
  let ready: (() => Promise<Tensor | Tensor[]>) | undefined;
  return (count) => {
    if (ready === undefined) {
      const call = engine.jit(body) as (
        ...tensors: readonly Tensor[]
      ) => Promise<Tensor | Tensor[]>;
      const tensors = operands();
      ready = () => call(...tensors);
    }
    const run = ready;
    let last: readonly Tensor[] = [];
    return timed(count, async () => {
      for (const tensor of last) tensor.dispose();
      last = [await run()].flat();
    });
  };
}

const half = (tensor: Tensor, dtype: "float16" | "bfloat16"): Tensor => {
  const values = tensor.view() as Float32Array;
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  // Values are below 1, so a float16 has them as its exponent moved and their fraction cut.
  const cut = (word: number) =>
    dtype === "bfloat16" ? word >>> 16 : word < 0x38800000 ? 0 : (word - 0x38000000) >>> 13;
  const bytes = new Uint8Array(Uint16Array.from(bits, cut).buffer);
  return engine.fromBytes(bytes, { dtype, shape: tensor.shape });
};

const line = (size = 2 ** 20) => [float32(size)];
const square = (size = 1024) => [float32(size, size)];
const unary = (body: (x: Traced) => Traced, operands: Operands = line) =>
  op(operands, body as Body);
const halves = (dtype: "float16" | "bfloat16", ...shape: number[]) =>
  half(float32(...shape), dtype);
const rows = (body: (x: Traced) => Traced) => op(() => square(), body as Body);

const gelu = (x: Traced) =>
  mx.multiply(mx.multiply(x, 0.5), mx.add(mx.erf(mx.multiply(x, Math.SQRT1_2)), 1));
const chain = (x: Traced, y: Traced) => {
  const a = mx.add(mx.multiply(x, 1.5), y);
  const b = mx.multiply(mx.subtract(a, 0.25), x);
  return mx.add(mx.maximum(mx.multiply(b, b), y), mx.multiply(a, 0.5));
};

const norm = (x: Traced, w: Traced, b: Traced) => mx.fast.layer_norm(x, w, b, { eps: 1e-5 });

const LAYERS = [
  [784, 512],
  [512, 512],
  [512, 10],
] as const;
const perceptron = () => [
  float32(64, 784),
  ...LAYERS.flatMap(([from, to]) => [float32(from, to), float32(to)]),
];
const forward = (x: Traced, ...weights: Traced[]): Traced => {
  let y = x;
  LAYERS.forEach((_, layer) => {
    const z = mx.addmm(weights[2 * layer + 1] as Traced, y, weights[2 * layer] as Traced);
    y = layer === 2 ? z : mx.maximum(z, 0);
  });
  return y;
};
const train = (x: Traced, ...weights: Traced[]): Traced[] => {
  const loss = (...w: Traced[]) => mx.mean(mx.square(forward(x, ...w)));
  const gradients = grad(loss, { argnums: weights.map((_, i) => i) })(...weights) as Traced[];
  return weights.map((w, i) => mx.subtract(w, mx.multiply(gradients[i] as Traced, 1e-9)));
};

/** A matrix of 4 bits, in groups of 64: enough of them that they do not stay in a cache. */
const PACKED = { bits: 4, group_size: 64 } as const;
const packedMatrices = 6;
const SIZE = 4096;
function packed(rowCount: number): Measure {
  let measures: Measure[] | undefined;
  let turn = 0;
  return async (count) => {
    measures ??= await Promise.all(
      Array.from({ length: packedMatrices }, async () => {
        const whole = float32(SIZE, SIZE);
        const parts = await engine.jit((w: Traced) => mx.quantize(w, null, PACKED) as Traced[])(
          whole,
        );
        whole.dispose();
        const x = float32(rowCount, SIZE);
        return op(
          () => [x, ...(parts as unknown as Tensor[])],
          (a, w, scales, biases) =>
            mx.quantized_matmul(a as Traced, w as Traced, scales as Traced, biases as Traced, {
              ...PACKED,
              transpose: true,
            }),
        );
      }),
    );
    const samples: number[] = [];
    for (let i = 0; i < count; i++) {
      samples.push(...(await (measures[turn++ % packedMatrices] as Measure)(1)));
    }
    return samples;
  };
}

/** What is measured, by name. */
export const ops: Readonly<Record<string, Measure>> = {
  "op.exp": unary(mx.exp),
  "op.erf": unary(mx.erf),
  "op.tanh": unary(mx.tanh),
  "op.sigmoid": unary(mx.sigmoid),
  "op.log": unary((x) => mx.log(mx.add(x, 1))),
  "op.sin": unary(mx.sin),
  "op.sqrt": unary(mx.sqrt),
  "op.floor": unary(mx.floor),
  "op.power": unary((x) => mx.power(x, 3)),
  "op.add.f16": op(
    () => [halves("float16", 2 ** 20), halves("float16", 2 ** 20)],
    (x, y) => mx.add(x as Traced, y as Traced),
  ),
  "op.cast.f16": unary((x) => mx.astype(x, { dtype: "float16" })),
  "op.softmax": rows((x) => mx.softmax(x, { axes: [-1] })),
  "op.logsumexp": rows((x) => mx.logsumexp(x, { axes: [-1] })),
  "op.layer_norm": op(() => [float32(1024, 1024), float32(1024), float32(1024)], norm as Body),
  "op.sum.0": rows((x) => mx.sum(x, { axes: [0] })),
  "op.sum.1": rows((x) => mx.sum(x, { axes: [1] })),
  "op.sum.all": rows((x) => mx.sum(x)),
  "op.max.1": rows((x) => mx.max(x, { axes: [1] })),
  "op.argmax.1": rows((x) => mx.argmax(x, { axis: 1 })),
  "op.transpose": rows((x) => mx.contiguous(mx.transpose(x))),
  "op.concatenate": op(
    () => [...square(), ...square()],
    (x, y) => mx.concatenate([x as Traced, y as Traced], { axis: 1 }),
  ),
  "op.sort": rows((x) => mx.sort(x, { axis: -1 })),
  "op.argsort": rows((x) => mx.argsort(x, { axis: -1 })),
  "op.attention": op(
    () => [float32(1, 8, 512, 64), float32(1, 8, 512, 64), float32(1, 8, 512, 64)],
    (q, k, v) =>
      mx.fast.scaled_dot_product_attention(q as Traced, k as Traced, v as Traced, null, null, {
        scale: 0.125,
      }),
  ),
  "op.matmul.f16": op(
    () => [halves("float16", 512, 512), halves("float16", 512, 512)],
    (a, b) => mx.matmul(a as Traced, b as Traced),
  ),
  "op.matmul.bf16": op(
    () => [halves("bfloat16", 512, 512), halves("bfloat16", 512, 512)],
    (a, b) => mx.matmul(a as Traced, b as Traced),
  ),
  "op.matmul.rows": op(
    () => [float32(4, 1024), float32(1024, 1024)],
    (a, b) => mx.matmul(a as Traced, mx.transpose(b as Traced)),
  ),
  "op.exp.4m": unary(mx.exp, () => line(2 ** 22)),
  "op.gelu.4m": unary(gelu, () => line(2 ** 22)),
  "op.chain.4m": op(() => [...line(2 ** 22), ...line(2 ** 22)], chain as Body),
  "op.softmax.4096": unary(
    (x) => mx.softmax(x, { axes: [-1] }),
    () => [float32(4096, 1024)],
  ),
  "op.layer_norm.4096": op(() => [float32(4096, 1024), float32(1024), float32(1024)], norm as Body),
  "op.mlp": op(perceptron, forward as Body),
  "op.train": op(perceptron, train as Body),
  "op.q4.decode": packed(1),
  "op.q4.prefill": packed(64),
  "op.f32.prefill": op(
    () => [float32(64, SIZE), float32(SIZE, SIZE)],
    (a, b) => mx.matmul(a as Traced, mx.transpose(b as Traced)),
  ),
};
