import { atMost, type Figure, type Figures } from "../figure.js";
import { interleave, overRounds } from "../rounds.js";
import { median } from "../stats.js";

const ITERATIONS = 10_000;
const CALLS = 300;
/** Messages in the mailbox of a process that calls. */
const WAITING = 500_000;
/** Loops of calls until V8 has compiled what they run. */
const WARM = 60;

const loop = (about: string, bound: number, name: "whileDynamic" | "whileCounted") =>
  ({
    about,
    unit: "us",
    target: atMost("value", bound),
    measure: async (tools) => {
      const node = tools.worker("node");
      const rounds = await interleave(7, { loop: () => node.measure(name, ITERATIONS) });
      return { value: median(rounds.loop) };
    },
  }) satisfies Figure;

const callLoop = (about: string, pinned: boolean) =>
  ({
    about,
    unit: "us",
    target: atMost("ratio", 4),
    measure: async (tools) => {
      const elixir = tools.worker("elixir", pinned);
      for (let loop = 0; loop < WARM; loop++) await elixir.measure("callLoop", CALLS);
      const rounds = await interleave(10, {
        call: () => elixir.measure("callLoop", CALLS),
        echo: () => elixir.measure("echo", CALLS),
      });
      return {
        value: median(rounds.call),
        floor: median(rounds.echo),
        ratio: overRounds(rounds, ({ call, echo }) => call / echo),
      };
    },
  }) satisfies Figure;

export const loopFigures: Figures = {
  "while.dynamic": loop(
    "an iteration of x + 1, 10,000 of them, whose values tell when it ends; in process",
    15,
    "whileDynamic",
  ),
  "while.counted": loop("the same with a known number of iterations", 5, "whileCounted"),
  cancel: {
    about: "from a cancel in the middle of a segment of large products until the run is over",
    unit: "ms",
    target: atMost("value", 500),
    measure: async (tools) => {
      const node = tools.worker("node");
      const rounds = await interleave(3, { cancel: () => node.measure("cancel", 5) });
      return { value: median(rounds.cancel) };
    },
  },
  "loop.memory.elixir": {
    about: "peak of the engine's memory over what is alive: 200 steps from Elixir on 16 MiB",
    unit: "x",
    target: atMost("value", 3),
    measure: async (tools) => ({
      value: median(await tools.worker("elixir").measure("loopMemory", 200, 16 * 2 ** 20)),
    }),
  },
  "mailbox.call": {
    about: "calls in a loop while 500,000 messages wait in the caller's mailbox; beside none",
    unit: "us",
    target: atMost("ratio", 1.2),
    measure: async (tools) => {
      const elixir = tools.worker("elixir");
      for (let loop = 0; loop < WARM; loop++) await elixir.measure("callLoop", CALLS);
      const rounds = await interleave(10, {
        among: () => elixir.measure("callLoopAmong", CALLS, WAITING),
        alone: () => elixir.measure("callLoop", CALLS),
      });
      return {
        value: median(rounds.among),
        floor: median(rounds.alone),
        ratio: overRounds(rounds, ({ among, alone }) => among / alone),
      };
    },
  },
  "call.loop": callLoop("a call in a loop, answered by Elixir; beside the echo port", false),
  "call.loop.pinned": callLoop("the same with all processes on one core", true),
};
