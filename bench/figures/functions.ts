import { atMost, type Figures } from "../figure.js";
import { interleave, overRounds } from "../rounds.js";
import { median } from "../stats.js";

/** Functions that MLX exported. */
export const functionFigures: Figures = {
  "mlxfn.open": {
    about: "a .mlxfn file of 24 layers, until its graph is there; in process",
    unit: "ms",
    target: atMost("value", 1000),
    measure: async (tools) => {
      const node = tools.worker("node");
      const [cold, bytesRead] = (await node.measure("functionOpen")) as [number, number];
      const warm: number[] = [];
      for (let time = 0; time < 5; time++) {
        const [milliseconds] = (await node.measure("functionOpen")) as [number, number];
        warm.push(milliseconds);
      }
      return { value: cold, details: { warm: median(warm), bytes_read: bytesRead } };
    },
  },
  "mlxfn.run": {
    about: "a call of that function on 16 tokens; beside the same function written in Node",
    unit: "us",
    target: atMost("ratio", 1.05),
    measure: async (tools) => {
      const node = tools.worker("node");
      const rounds = await interleave(5, {
        imported: () => node.measure("functionRun", 30),
        written: () => node.measure("functionWritten", 30),
      });
      return {
        value: median(rounds.imported),
        floor: median(rounds.written),
        ratio: overRounds(rounds, ({ imported, written }) => imported / written),
      };
    },
  },
};
