import fc from "fast-check";
import { it } from "vitest";
import { schedules } from "./support/interleaving/schedule.js";
import { Stage } from "./support/interleaving/world.js";

const { DAVIT_INTERLEAVINGS, DAVIT_INTERLEAVING_SEED, DAVIT_INTERLEAVING_PATH } = process.env;
const count = Number(DAVIT_INTERLEAVINGS ?? 10_000);
const seed = Number(DAVIT_INTERLEAVING_SEED ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Clients of one engine that subscribe, run, cancel, reply, compute in their handlers and die, in random orders:
 * every request is answered once, every run ends, events are right, in order and before the answer,
 * nothing is stuck and nothing is left. A failure tells `seed` and `path`; given as DAVIT_INTERLEAVING_SEED and
 * DAVIT_INTERLEAVING_PATH they play that schedule again, and make it smaller.
 */
it(`${count} random schedules`, { timeout: 900_000 }, async () => {
  // Also there where the process crashes.
  console.info(`seed ${seed}`);
  let stage = new Stage(2);
  const property = fc.asyncProperty(schedules, async (schedule) => {
    try {
      await stage.play(schedule);
    } catch (error) {
      // What is left of it must not disturb the next one.
      stage = new Stage(2);
      throw error;
    }
  });
  const replay = DAVIT_INTERLEAVING_PATH;
  await fc.assert(property, {
    seed,
    ...(replay === undefined
      ? { numRuns: count, endOnFailure: true }
      : { numRuns: 1, path: replay }),
  });
  await stage.isEmpty();
});
