import { atLeast, atMost, type Figures, type Measured } from "../figure.js";
import { interleave, overRounds } from "../rounds.js";
import { median, quantile } from "../stats.js";
import type { Tools } from "../tools.js";

const ROUNDS = 20;
const CALLS = 200;
/** Calls until V8 has compiled what they run. */
const WARM = 5000;

async function roundtrip(tools: Tools, pinned: boolean): Promise<Measured> {
  const elixir = tools.worker("elixir", pinned);
  const node = tools.worker("node", pinned);
  await elixir.measure("roundtrip", WARM);
  await elixir.measure("echo", WARM);
  await node.measure("evaluation", WARM);
  const all: number[] = [];
  const rounds = await interleave(ROUNDS, {
    call: async () => {
      const samples = await elixir.measure("roundtrip", CALLS);
      all.push(...samples);
      return samples;
    },
    echo: () => elixir.measure("echo", CALLS),
    evaluation: () => node.measure("evaluation", CALLS),
  });
  const steady = all.slice(CALLS);
  return {
    value: median(steady),
    floor: overRounds(rounds, ({ echo, evaluation }) => echo + evaluation),
    ratio: overRounds(rounds, ({ call, echo, evaluation }) => call / (echo + evaluation)),
    details: {
      echo: median(rounds.echo),
      evaluation: median(rounds.evaluation),
      p10: quantile(steady, 0.1),
      p90: quantile(steady, 0.9),
    },
  };
}

export const roundtripFigures: Figures = {
  "roundtrip.free": {
    about: "x + 1 on float32[16], called and read from Elixir; beside echo port + evaluation",
    unit: "us",
    target: atMost("ratio", 1.7),
    measure: (tools) => roundtrip(tools, false),
  },
  "roundtrip.pinned": {
    about: "the same with all processes on one core",
    unit: "us",
    target: atMost("ratio", 1.7),
    measure: (tools) => roundtrip(tools, true),
  },
  pipelined: {
    about: "the same without waiting between calls; beside 64 bytes echoed that way",
    unit: "1/s",
    target: atLeast("value", 30_000),
    measure: async (tools) => {
      const elixir = tools.worker("elixir");
      const rounds = await interleave(5, {
        calls: () => elixir.measure("pipelined", 10_000),
        echo: () => elixir.measure("echoPipelined", 10_000),
      });
      return {
        value: median(rounds.calls),
        floor: median(rounds.echo),
        ratio: overRounds(rounds, ({ calls, echo }) => calls / echo),
      };
    },
  },
};
