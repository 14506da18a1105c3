import { atLeast, atMost, type Figure, type Figures, Unavailable } from "../figure.js";
import { besidePeers } from "../peers.js";
import { interleave, overRounds } from "../rounds.js";
import { median } from "../stats.js";

const LACKING = "there is no jax; `npm run bench -- --peers` fetches it";

/** An op beside the best of its peers, of which XLA must be one. */
const kernel = (about: string, op: string, bound: number): Figure => ({
  about: `${about}, in process; beside the best of numpy, XLA and torch`,
  unit: "ms",
  target: atMost("ratio", bound),
  measure: async (tools) => {
    if ((await tools.worker("peers").measure("jax.here", 1)).length === 0) {
      throw new Unavailable(LACKING);
    }
    const { time, peers, ratio } = await besidePeers(tools, op);
    const details = Object.fromEntries(
      Object.entries(peers).map(([name, microseconds]) => [name, microseconds / 1000]),
    );
    return {
      value: time / 1000,
      floor: Math.min(...Object.values(details)),
      ...(ratio === undefined ? {} : { ratio }),
      details,
    };
  },
});

/** The worse of the sums over either axis. */
const sums: Figure = {
  ...kernel("sums over either axis of float32[1024, 1024]", "op.sum.0", 1.1),
  measure: async (tools) => {
    const columns = await kernel("", "op.sum.0", 1.1).measure(tools);
    const rows = await kernel("", "op.sum.1", 1.1).measure(tools);
    return (columns.ratio ?? 0) > (rows.ratio ?? 0) ? columns : rows;
  },
};

/** Bytes of a matrix of 4096 x 4096 numbers of 4 bits, with a scale and a bias for each 64. */
const PACKED = 4096 * 4096 * (4 / 8 + (2 * 4) / 64);
const READ = 2 ** 28;

export const kernelFigures: Figures = {
  "kernel.exp": kernel("exp of float32[4194304]", "op.exp.4m", 1),
  "kernel.softmax": kernel("softmax of float32[4096, 1024]", "op.softmax.4096", 1.1),
  "kernel.gelu": kernel("the exact GELU of float32[4194304]", "op.gelu.4m", 1.1),
  "kernel.layer_norm": kernel("layer_norm of float32[4096, 1024]", "op.layer_norm.4096", 1.1),
  "kernel.sum": sums,
  "kernel.chain": kernel("eight elementwise ops on float32[4194304]", "op.chain.4m", 1.2),
  "kernel.bf16": kernel("a product of two bfloat16[512, 512]", "op.matmul.bf16", 1.1),
  "kernel.f16": kernel("a product of two float16[512, 512]", "op.matmul.f16", 1.1),
  "kernel.mlp": kernel("a perceptron 784-512-512-10 on a batch of 64", "op.mlp", 1),
  "kernel.train": kernel("its training step: forward, gradients, update", "op.train", 1),
  "kernel.q4.decode": {
    about:
      "a vector by 4096 x 4096 numbers of 4 bits, six matrices in turn, in process; beside what numpy reads with as many threads",
    unit: "GB/s",
    target: atLeast("ratio", 0.6),
    measure: async (tools) => {
      const rounds = await interleave(8, {
        engine: () => tools.worker("node").measure("op.q4.decode", 24),
        numpy: () => tools.worker("peers").measure("numpy.bandwidth", 3),
      });
      const speed = (bytes: number, time: number) => bytes / (time * 1000);
      return {
        value: speed(PACKED, median(rounds.engine)),
        floor: speed(READ, median(rounds.numpy)),
        ratio: overRounds(
          rounds,
          ({ engine, numpy }) => speed(PACKED, engine) / speed(READ, numpy),
        ),
      };
    },
  },
  "kernel.q4.prefill": {
    about: "64 rows by 4096 x 4096 numbers of 4 bits, in process; beside the same of float32",
    unit: "ms",
    target: atMost("ratio", 1.3),
    measure: async (tools) => {
      const node = tools.worker("node");
      const rounds = await interleave(6, {
        engine: () => node.measure("op.q4.prefill", 3),
        float32: () => node.measure("op.f32.prefill", 3),
      });
      return {
        value: median(rounds.engine) / 1000,
        floor: median(rounds.float32) / 1000,
        ratio: overRounds(rounds, ({ engine, float32 }) => engine / float32),
      };
    },
  },
};
