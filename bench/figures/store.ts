import { atLeast, atMost, type Figures, type Measured } from "../figure.js";
import { median } from "../stats.js";
import type { Tools } from "../tools.js";

/** Pairs of times: the ratio of their medians, with these as details. */
function ratio(times: readonly number[], [first, second]: readonly [string, string]): Measured {
  const [a, b] = [0, 1].map((part) => median(times.filter((_, index) => index % 2 === part)));
  return {
    value: (a as number) / (b as number),
    details: { [first]: a as number, [second]: b as number },
  };
}

const node = (tools: Tools, name: string, rounds: number) =>
  tools.worker("node").measure(name, rounds);

export const storeFigures: Figures = {
  "store.warm": {
    about:
      "a transformer of Nx, 24 layers with a hook in each: the first result of a new VM and engine, traced, against taken from the store",
    unit: "times",
    target: atLeast("value", 10),
    measure: async (tools) => {
      const times: number[] = [];
      for (let round = 0; round < 3; round++) {
        times.push(...(await tools.worker("nx").measure("storeWarm", 24)));
      }
      return ratio(times, ["cold_ms", "warm_ms"]);
    },
  },
  "store.warm.node": {
    about:
      "24 layers with hooks, first result of a new engine in a running process: traced, against taken from the store",
    unit: "times",
    measure: async (tools) => ratio(await node(tools, "storeWarm", 10), ["cold_ms", "warm_ms"]),
  },
  "store.partial": {
    about: "finding 1 function of a module of 1,000, against finding one that needs all",
    unit: "part",
    target: atMost("value", 0.02),
    measure: async (tools) => ratio(await node(tools, "storePartial", 9), ["one_ms", "all_ms"]),
  },
  "store.hit": {
    about: "what the store adds to the first call of a small function, in Node",
    unit: "us",
    target: atMost("value", 1000),
    measure: async (tools) => ({ value: median(await node(tools, "storeHit", 200)) }),
  },
  "store.hit.nx": {
    about: "what it adds through Nx, the digest of the code aside",
    unit: "us",
    target: atMost("value", 1000),
    measure: async (tools) => ({
      value: median(await tools.worker("nx").measure("storeHit", 200)),
    }),
  },
};
