import { atMost, type Figures } from "../figure.js";
import { median } from "../stats.js";

const NODES = 10_000;
const LOADS = 10;

export const loadFigures: Figures = {
  "load.large": {
    about: "a graph of 10,000 labelled nodes, from its bytes until it can run; in process",
    unit: "ms",
    target: atMost("value", 300),
    measure: async (tools) => {
      const node = tools.worker("node");
      const times: number[] = [];
      const turns: number[] = [];
      for (let load = 0; load < LOADS; load++) {
        const [time, turn] = await node.measure("loadLarge", NODES);
        times.push(time as number);
        turns.push(turn as number);
      }
      return { value: median(times), details: { longest_turn: median(turns) } };
    },
  },
};
