import { atLeast, atMost, type Figure, type Figures } from "../figure.js";
import { interleave, overRounds } from "../rounds.js";
import { median } from "../stats.js";

const BYTES = 64 * 2 ** 20;

const bulk = (about: string, name: "bulkIn" | "bulkOut") =>
  ({
    about,
    unit: "GB/s",
    target: atLeast("value", 2),
    measure: async (tools) => {
      const elixir = tools.worker("elixir");
      const node = tools.worker("node");
      const rounds = await interleave(9, {
        bulk: () => elixir.measure(name, BYTES),
        memcpy: () => node.measure("memcpy", BYTES),
      });
      return {
        value: median(rounds.bulk),
        floor: median(rounds.memcpy),
        ratio: overRounds(rounds, ({ bulk, memcpy }) => bulk / memcpy),
      };
    },
  }) satisfies Figure;

export const bulkFigures: Figures = {
  "bulk.in": bulk("64 MiB from Elixir into the engine; beside memcpy", "bulkIn"),
  "bulk.out": bulk("64 MiB from the engine to Elixir; beside memcpy", "bulkOut"),
  ready: {
    about: "from spawn until the engine has answered hello; beside an echo port's first answer",
    unit: "ms",
    target: atMost("value", 300),
    measure: async (tools) => {
      const elixir = tools.worker("elixir");
      const rounds = await interleave(7, {
        engine: () => elixir.measure("ready", 1),
        echo: () => elixir.measure("echoReady", 1),
        node: () => elixir.measure("nodeReady", 1),
      });
      return {
        value: median(rounds.engine),
        floor: median(rounds.echo),
        ratio: overRounds(rounds, ({ engine, echo }) => engine / echo),
        details: { node: median(rounds.node) },
      };
    },
  },
};
