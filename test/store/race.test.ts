import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Store } from "../../src/store/index.js";
import { built } from "../support/built.js";
import { root } from "../support/root.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();

/** `DAVIT_STORE_ROUNDS=10000 npx vitest run test/store/race.test.ts` is the long one. */
const ROUNDS = Number(process.env.DAVIT_STORE_ROUNDS ?? 1500);
const PROCESSES = 3;

it("processes that are killed while they write leave a store that is whole", {
  timeout: 600_000,
}, async () => {
  const module = await built("store/index.js");
  const path = temporary("store");
  const racer = join(root, "test", "store", "racer.mjs");
  const wrong: string[] = [];
  let rounds = 0;
  let kills = 0;
  /** A process that is killed after some rounds, wherever it is then; then another one. */
  const race = async (seed: number) => {
    for (let turn = 0; rounds < ROUNDS; turn++) {
      const child = spawn(process.execPath, [racer, module, path, String(seed + 10 * turn)]);
      const exited = once(child, "exit");
      let left = 1 + ((seed + turn) % 3);
      child.stderr.on("data", (text) => wrong.push(String(text)));
      child.stdout.on("data", (text) => {
        for (const line of String(text).trim().split("\n")) {
          if (line !== "100") wrong.push(line);
          rounds += 100;
          if (--left === 0) child.kill("SIGKILL");
        }
      });
      await exited;
      kills++;
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, (_, seed) => race(seed)));
  expect(wrong).toEqual([]);
  expect(rounds).toBeGreaterThanOrEqual(ROUNDS);
  expect(kills).toBeGreaterThan(PROCESSES);
  const store = new Store({ path });
  store.gc({ grace: -1000 });
  expect([...store.modules()].filter(({ problem }) => problem !== undefined)).toEqual([]);
  for (const { functions } of store.modules()) {
    for (const name of functions) expect(store.find(name)).toBeDefined();
  }
});
