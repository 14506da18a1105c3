import { atLeast, type Figure, type Figures, Unavailable } from "../figure.js";
import { interleave, overRounds, UNTIL_ASLEEP } from "../rounds.js";
import { sentences } from "../sentences.js";
import { median } from "../stats.js";
import type { Tools } from "../tools.js";

/** Floating-point operations of a product of two 1024 x 1024 matrices. */
const OPERATIONS = 2 * 1024 ** 3;

const minilm = (rows: number, batches: number, tokens = 16) =>
  ({
    about: `sentences of ${tokens} tokens through all-MiniLM-L6-v2, ${rows} at a time, in process; beside onnxruntime`,
    unit: "1/s",
    target: atLeast("ratio", 1),
    measure: async (tools) => {
      const ids = sentences(rows, tokens);
      await compare(tools, rows, ids);
      const node = tools.worker("node");
      const python = tools.worker("python");
      const peers = tools.worker("peers");
      if ((await peers.measure("onnxruntime.minilm", 1, rows, ...ids)).length === 0) {
        throw new Unavailable("there is no onnxruntime; `npm run bench -- --peers` fetches it");
      }
      const rounds = await interleave(
        8,
        {
          engine: () => node.measure("minilm", batches, rows, ...ids),
          onnxruntime: () => peers.measure("onnxruntime.minilm", batches, rows, ...ids),
          numpy: () => python.measure("minilm", batches, rows, ...ids),
        },
        UNTIL_ASLEEP,
      );
      const perSecond = (time: number) => rows / (time / 1e6);
      return {
        value: perSecond(median(rounds.engine)),
        floor: perSecond(median(rounds.onnxruntime)),
        ratio: overRounds(rounds, ({ engine, onnxruntime }) => onnxruntime / engine),
        details: { numpy: perSecond(median(rounds.numpy)) },
      };
    },
  }) satisfies Figure;

/** Both must return the same embedding. */
async function compare(tools: Tools, rows: number, ids: readonly number[]): Promise<void> {
  const ours = await tools.worker("node").measure("minilmValues", rows, ...ids);
  const theirs = await tools.worker("python").measure("minilmValues", rows, ...ids);
  const cosine = ours.reduce((sum, value, index) => sum + value * (theirs[index] as number), 0);
  if (cosine > 0.99999) return;
  throw new Error(`the embeddings of the engine and of numpy have the cosine ${cosine}`);
}

export const computeFigures: Figures = {
  sgemm: {
    about: "a product of two float32[1024, 1024], in process; beside numpy with as many threads",
    unit: "GF/s",
    target: atLeast("ratio", 0.85),
    measure: async (tools) => {
      const node = tools.worker("node");
      const python = tools.worker("python");
      const rounds = await interleave(
        12,
        {
          engine: () => node.measure("matmul", 5),
          numpy: () => python.measure("matmul", 5),
        },
        UNTIL_ASLEEP,
      );
      const gigaflops = (time: number) => OPERATIONS / (time * 1000);
      return {
        value: gigaflops(median(rounds.engine)),
        floor: gigaflops(median(rounds.numpy)),
        ratio: overRounds(rounds, ({ engine, numpy }) => numpy / engine),
      };
    },
  },
  "minilm.b1": minilm(1, 25),
  "minilm.b32": minilm(32, 3),
  "minilm.long": minilm(8, 2, 128),
};
