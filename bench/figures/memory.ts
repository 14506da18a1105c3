import { atMost, type Figures } from "../figure.js";
import { interleave, overRounds } from "../rounds.js";
import { median } from "../stats.js";

/** 16 MB of float32. */
const LARGE = 4 * 2 ** 20;
const LARGE_STEPS = 200;
const SMALL = 16;
const SMALL_STEPS = 100_000;

const VIEWED = 256 * 2 ** 20;

export const memoryFigures: Figures = {
  view: {
    about:
      "a typed array over the 256 MiB of a tensor that a run has just made; beside a copy of them",
    unit: "ms",
    target: atMost("value", 1),
    measure: async (tools) => {
      const node = tools.worker("node");
      const rounds = await interleave(5, {
        view: () => node.measure("viewTime", VIEWED, 0),
        writable: () => node.measure("viewTime", VIEWED, 1),
        copy: () => node.measure("copyTime", VIEWED),
      });
      return {
        value: median(rounds.view),
        floor: median(rounds.copy),
        ratio: overRounds(rounds, ({ view, copy }) => view / copy),
        details: { writable: median(rounds.writable) },
      };
    },
  },
  "loop.memory.node": {
    about:
      "the peak of a loop that drops its tensors of 16 MB, over the two that are alive; in process",
    unit: "x",
    target: atMost("value", 3),
    measure: async (tools) => {
      const node = tools.worker("node");
      const [plain] = await node.measure("loopMemory", LARGE, LARGE_STEPS, 0);
      const [hooked] = await node.measure("loopMemory", LARGE, LARGE_STEPS, 1);
      const [, small] = await node.measure("loopMemory", SMALL, SMALL_STEPS, 0);
      return {
        value: plain as number,
        details: { hooked: hooked as number, small_process: small as number },
      };
    },
  },
};
