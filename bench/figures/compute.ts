import { atLeast, type Figure, type Figures } from "../figure.js";
import { interleave, overRounds, type Rounds, UNTIL_ASLEEP } from "../rounds.js";
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
      const always = {
        engine: () => node.measure("minilm", batches, rows, ...ids),
        numpy: () => python.measure("minilm", batches, rows, ...ids),
      };
      const perSecond = (times: readonly number[]) => rows / (median(times) / 1e6);
      const measured = ({ engine, numpy }: Rounds<keyof typeof always>) => ({
        value: perSecond(engine),
        details: { numpy: perSecond(numpy) },
      });
      if ((await peers.measure("onnxruntime.minilm", 1, rows, ...ids)).length === 0) {
        const lacking = "there is no onnxruntime; `npm run bench -- --peers` fetches it";
        return { ...measured(await interleave(8, always, UNTIL_ASLEEP)), lacking };
      }
      const onnxruntime = () => peers.measure("onnxruntime.minilm", batches, rows, ...ids);
      const rounds = await interleave(8, { ...always, onnxruntime }, UNTIL_ASLEEP);
      return {
        ...measured(rounds),
        floor: perSecond(rounds.onnxruntime),
        ratio: overRounds(rounds, (round) => round.onnxruntime / round.engine),
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
  "embed.callers": {
    about:
      "sentences that eight processes of Elixir have embedded at once, one by one, with one copy of the weights; beside one process on one core",
    unit: "1/s",
    target: atLeast("ratio", 1.5),
    measure: async (tools) => {
      const elixir = tools.worker("elixir");
      const pinned = tools.worker("elixir", true);
      const rounds = await interleave(8, {
        eight: () => elixir.measure("embed", 8, 8),
        alone: () => elixir.measure("embed", 1, 32),
        oneCore: () => pinned.measure("embed", 1, 32),
      });
      const perSecond = (times: readonly number[]) => 1e6 / median(times);
      return {
        value: perSecond(rounds.eight),
        floor: perSecond(rounds.oneCore),
        ratio: overRounds(rounds, ({ eight, oneCore }) => oneCore / eight),
        details: {
          alone: perSecond(rounds.alone),
          overAlone: overRounds(rounds, ({ eight, alone }) => alone / eight),
        },
      };
    },
  },
  "minilm.b1": minilm(1, 25),
  "minilm.b32": minilm(32, 3),
  "minilm.long": minilm(8, 2, 128),
};
