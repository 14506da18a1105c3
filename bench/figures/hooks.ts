import { atLeast, atMost, type Figure, type Figures } from "../figure.js";
import { interleave, overRounds } from "../rounds.js";
import { median } from "../stats.js";
import type { Tools } from "../tools.js";

const EVENTS = 20_000;
const ROUNDS = 5;

/** A slow reader gets so many events of so many bytes: 64 MiB. */
const SLOW_EVENTS = 4096;
const SLOW_BYTES = 16_384;

const intoElixir = async (tools: Tools, loop: "hooksCounted" | "hooksDynamic") => {
  const elixir = tools.worker("elixir");
  const rounds = await interleave(ROUNDS, { events: () => elixir.measure(loop, EVENTS) });
  return median(rounds.events);
};

const loopFigure = (about: string, bound: number, loop: "hooksCounted" | "hooksDynamic") =>
  ({
    about,
    unit: "1/s",
    target: atLeast("value", bound),
    measure: async (tools) => ({ value: await intoElixir(tools, loop) }),
  }) satisfies Figure;

export const hookFigures: Figures = {
  "hook.elixir": {
    about: "events of float32[16] into one Elixir process, from a counted loop",
    unit: "1/s",
    target: atLeast("value", 100_000),
    measure: async (tools) => {
      const value = await intoElixir(tools, "hooksCounted");
      const [waiting, vm, engine] = (await tools
        .worker("elixir")
        .measure("hooksSlowReader", SLOW_EVENTS, SLOW_BYTES)) as [number, number, number];
      return {
        value,
        details: {
          slow_sent_mib: (SLOW_EVENTS * SLOW_BYTES) / 2 ** 20,
          slow_mailbox: waiting,
          slow_vm_mib: vm,
          slow_engine_mib: engine,
        },
      };
    },
  },
  "hook.node": {
    about: "the same into a handler in Node",
    unit: "1/s",
    measure: async (tools) => {
      const node = tools.worker("node");
      const rounds = await interleave(ROUNDS, {
        events: () => node.measure("hookEvents", EVENTS),
      });
      return { value: median(rounds.events) };
    },
  },
  "hook.loop.dynamic": loopFigure(
    "events into one Elixir process, from a loop whose values tell when it ends",
    40_000,
    "hooksDynamic",
  ),
  "hook.loop.counted": loopFigure(
    "events into one Elixir process, from a counted loop",
    80_000,
    "hooksCounted",
  ),
  "hook.idle": {
    about:
      "16 small layers with a hook after each and no subscriber; beside the same without hooks",
    unit: "us",
    target: atMost("ratio", 1.05),
    measure: async (tools) => {
      const node = tools.worker("node");
      const rounds = await interleave(30, {
        hooked: () => node.measure("layersHooked", 20),
        bare: () => node.measure("layersBare", 20),
      });
      return {
        value: median(rounds.hooked),
        floor: median(rounds.bare),
        ratio: overRounds(rounds, ({ hooked, bare }) => hooked / bare),
      };
    },
  },
};
