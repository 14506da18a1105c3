import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Engine } from "davit-engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Store } from "../src/store/index.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const support = join(root, "integration", "support");

/** `DAVIT_STORE_ROUNDS=10000 npx vitest run integration/store-race.test.ts` is the long one. */
const ROUNDS = Number(process.env.DAVIT_STORE_ROUNDS ?? 300);

let path: string;
beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), "davit-race-"));
});
afterAll(() => rm(path, { recursive: true }));

const RACERS = {
  node: (seed: number) =>
    spawn(process.execPath, [
      join(support, "store-racer.mjs"),
      join(root, "dist", "index.js"),
      path,
      String(seed),
    ]),
  elixir: (seed: number) =>
    spawn("mix", ["run", join(support, "store_racer.exs"), String(seed)], {
      cwd: join(root, "elixir_client"),
      env: { ...process.env, DAVIT_STORE: path, ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" },
    }),
};

it("Node and two Erlang VMs, killed again and again, share a store, and nothing wrong comes from it", {
  timeout: 3_600_000,
}, async () => {
  const wrong: string[] = [];
  const killed = { node: 0, elixir: 0 };
  let rounds = 0;
  /** A process that is killed after some rounds, wherever it is then; then another one. */
  const race = async (kind: keyof typeof RACERS, seed: number) => {
    for (let turn = 0; rounds < ROUNDS || turn === 0; turn++) {
      const child = RACERS[kind](seed + 10 * turn);
      const exited = once(child, "exit");
      let left = 1 + ((seed + turn) % 4);
      child.stderr.on("data", (text) => wrong.push(String(text)));
      child.stdout.on("data", (text) => {
        for (const line of String(text).trim().split("\n")) {
          if (line !== "10") wrong.push(line);
          rounds += 10;
          if (--left === 0) child.kill("SIGKILL");
        }
      });
      const [code] = await exited;
      if (code !== null) throw new Error(`a racer of ${kind} ended with ${code}: ${wrong}`);
      killed[kind]++;
    }
  };
  await Promise.all([race("node", 0), race("elixir", 1), race("elixir", 2)]);
  expect(wrong).toEqual([]);
  expect(killed.node).toBeGreaterThan(0);
  expect(killed.elixir).toBeGreaterThan(1);

  const store = new Store({ path });
  store.gc({ grace: -1000 });
  const modules = [...store.modules()];
  expect(modules.filter(({ problem }) => problem !== undefined)).toEqual([]);
  const engine = Engine.create({ lanes: 1, store: path });
  const found = Array.from({ length: 20 }, (_, n) =>
    engine.programStore.find(`race ${n + 1}`),
  ).filter((program) => program !== undefined);
  await engine.close();
  expect(found).toHaveLength(modules.length);
});
