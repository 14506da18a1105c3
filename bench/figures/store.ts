import { atLeast, atMost, type Figures, type Measured } from "../figure.js";
import { median } from "../stats.js";
import type { Tools } from "../tools.js";

/** Pairs of times: the ratio of their medians, with these as details. */
async function pairs(
  tools: Tools,
  name: string,
  rounds: number,
  [first, second]: readonly [string, string],
): Promise<Measured> {
  const times = await tools.worker("node").measure(name, rounds);
  const [a, b] = [0, 1].map((part) => median(times.filter((_, index) => index % 2 === part)));
  return {
    value: (a as number) / (b as number),
    details: { [first]: a as number, [second]: b as number },
  };
}

export const storeFigures: Figures = {
  "store.warm": {
    about:
      "24 layers with hooks, first result of a new engine in a running process: traced, against taken from the store",
    unit: "times",
    target: atLeast("value", 10),
    measure: (tools) => pairs(tools, "storeWarm", 10, ["cold_ms", "warm_ms"]),
  },
  "store.partial": {
    about: "finding 1 function of a module of 1,000, against finding all",
    unit: "part",
    target: atMost("value", 0.02),
    measure: (tools) => pairs(tools, "storePartial", 5, ["one_ms", "all_ms"]),
  },
  "store.hit": {
    about: "finding a small program in a store of 300, the first time in a process",
    unit: "us",
    target: atMost("value", 1000),
    measure: async (tools) => ({
      value: median(await tools.worker("node").measure("storeHit", 300)),
    }),
  },
};
