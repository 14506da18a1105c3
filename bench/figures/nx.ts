import { atLeast, atMost, type Figure, type Figures } from "../figure.js";
import { interleave, overRounds } from "../rounds.js";
import { median } from "../stats.js";
import type { Tools } from "../tools.js";

const BYTES = 64 * 2 ** 20;

/** A measure of the Nx worker, beside the same on `Nx.BinaryBackend` with Nx's evaluator. */
const beside = (
  about: string,
  unit: string,
  target: Figure["target"],
  name: string,
  count: number,
): Figure => ({
  about: `${about}; beside Nx.BinaryBackend`,
  unit,
  ...(target === undefined ? {} : { target }),
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

const alone = (
  about: string,
  unit: string,
  target: Figure["target"],
  name: string,
  count: number,
) =>
  ({
    about,
    unit,
    ...(target === undefined ? {} : { target }),
    measure: async (tools: Tools) => {
      const nx = tools.worker("nx");
      const rounds = await interleave(5, { davit: () => nx.measure(name, count) });
      return { value: median(rounds.davit) };
    },
  }) satisfies Figure;

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
    "1,000 additions of a tensor f32[64], then a read",
    "ms",
    atMost("value", 8),
    "eagerTensor",
    1000,
  ),
  "nx.eager.literal": beside(
    "1,000 additions of a number to f32[64], then a read",
    "ms",
    atMost("value", 8),
    "eagerLiteral",
    1000,
  ),
  "nx.while": beside("a loop of 10,000 iterations", "ms", atMost("value", 25), "while", 10_000),
  "nx.hooks": alone(
    "hooks in a loop of 1,000 that send their value to a process",
    "1/s",
    atLeast("value", 60_000),
    "hooks",
    1000,
  ),
  "nx.mlp": alone(
    "a perceptron 784-512-512-10 on a batch of 64, called and read",
    "ms",
    undefined,
    "mlp",
    20,
  ),
  "nx.from_binary": alone(
    "64 MiB by Nx.from_binary, until one element is read",
    "GB/s",
    atLeast("value", 2.5),
    "fromBinary",
    BYTES,
  ),
  "nx.to_binary": alone("64 MiB by Nx.to_binary", "GB/s", atLeast("value", 2.5), "toBinary", BYTES),
};
