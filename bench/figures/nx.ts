import { atLeast, atMost, type Figure, type Figures } from "../figure.js";
import { interleave, overRounds, UNTIL_ASLEEP } from "../rounds.js";
import { median } from "../stats.js";
import type { Tools } from "../tools.js";

const BYTES = 64 * 2 ** 20;

type Line = Omit<Figure, "measure">;

/** A measure of the Nx worker, beside the same on `Nx.BinaryBackend` with Nx's evaluator. */
const beside = (line: Line, name: string, count: number): Figure => ({
  ...line,
  about: `${line.about}; beside Nx.BinaryBackend`,
  measure: async (tools) => {
    const nx = tools.worker("nx");
    const binary = tools.worker("nxBinary");
    const rounds = await interleave(5, {
      davit: () => nx.measure(name, count),
      binary: () => binary.measure(name, count),
    });
    return {
      value: median(rounds.davit),
      floor: median(rounds.binary),
      ratio: overRounds(rounds, ({ davit, binary }) => davit / binary),
    };
  },
});

/** A measure of the Nx worker. */
const alone = (line: Line, name: string, count: number): Figure => ({
  ...line,
  measure: async (tools) => {
    const nx = tools.worker("nx");
    const rounds = await interleave(5, { davit: () => nx.measure(name, count) });
    return { value: median(rounds.davit) };
  },
});

/** A measure of the Nx worker, beside the same in numpy. */
const besideNumpy = (line: Line, name: string, count: number, rounds: number): Figure => ({
  ...line,
  about: `${line.about}; beside numpy`,
  measure: async (tools) => {
    const nx = tools.worker("nx");
    const python = tools.worker("python");
    await compareLosses(tools);
    const medians = await interleave(
      rounds,
      {
        nx: () => nx.measure(name, count),
        numpy: () => python.measure(name, count),
      },
      UNTIL_ASLEEP,
    );
    return {
      value: median(medians.nx),
      floor: median(medians.numpy),
      ratio: overRounds(medians, ({ nx, numpy }) => nx / numpy),
    };
  },
});

/** After a few steps both must have the same loss. */
async function compareLosses(tools: Tools): Promise<void> {
  const [ours] = await tools.worker("nx").measure("trainLoss", 10);
  const [theirs] = await tools.worker("python").measure("trainLoss", 10);
  if (Math.abs(Number(ours) / Number(theirs) - 1) < 1e-3) return;
  throw new Error(`after 10 steps of training the loss is ${ours}, with numpy ${theirs}`);
}

/** What programs do with Nx. They need Nx and an Elixir that it takes: docs/nx.md. */
export const nxFigures: Figures = {
  "nx.call": {
    about: "x + 1 on f32[16] by a compiled function of Nx, called and read; beside Davit.run",
    unit: "us",
    target: atMost("ratio", 1.3),
    measure: async (tools) => {
      const nx = tools.worker("nx");
      const elixir = tools.worker("elixir");
      const rounds = await interleave(10, {
        nx: () => nx.measure("call", 200),
        run: () => elixir.measure("roundtrip", 200),
      });
      return {
        value: median(rounds.nx),
        floor: median(rounds.run),
        ratio: overRounds(rounds, ({ nx, run }) => nx / run),
      };
    },
  },
  "nx.eager.tensor": beside(
    {
      about: "1,000 additions of a tensor f32[64], then a read",
      unit: "ms",
      target: atMost("value", 8),
    },
    "eagerTensor",
    1000,
  ),
  "nx.eager.literal": beside(
    {
      about: "1,000 additions of a number to f32[64], then a read",
      unit: "ms",
      target: atMost("value", 8),
    },
    "eagerLiteral",
    1000,
  ),
  "nx.while": beside(
    { about: "a loop of 10,000 iterations", unit: "ms", target: atMost("value", 25) },
    "while",
    10_000,
  ),
  "nx.hooks": alone(
    {
      about: "hooks in a loop of 1,000 that send their value to a process",
      unit: "1/s",
      target: atLeast("value", 60_000),
    },
    "hooks",
    1000,
  ),
  "nx.mlp": besideNumpy(
    {
      about: "a perceptron 784-512-512-10 on a batch of 64, called and read",
      unit: "ms",
      target: atMost("ratio", 1.4),
    },
    "mlp",
    40,
    8,
  ),
  "nx.train": besideNumpy(
    {
      about: "an epoch of 64 batches of 64 of that perceptron, with its gradient by Nx.Defn.grad",
      unit: "ms",
    },
    "train",
    64,
    5,
  ),
  "nx.compile": {
    about: "a transformer of 24 layers traced, lowered and loaded; beside tracing it",
    unit: "ms",
    target: atMost("ratio", 3),
    measure: async (tools) => {
      const nx = tools.worker("nx");
      const rounds = await interleave(5, {
        compile: () => nx.measure("compile", 24),
        trace: () => nx.measure("trace", 24),
      });
      return {
        value: median(rounds.compile),
        floor: median(rounds.trace),
        ratio: overRounds(rounds, ({ compile, trace }) => compile / trace),
      };
    },
  },
  "nx.from_binary": alone(
    {
      about: "64 MiB by Nx.from_binary, until one element is read",
      unit: "GB/s",
      target: atLeast("value", 2.5),
    },
    "fromBinary",
    BYTES,
  ),
  "nx.to_binary": alone(
    { about: "64 MiB by Nx.to_binary", unit: "GB/s", target: atLeast("value", 2.5) },
    "toBinary",
    BYTES,
  ),
};
