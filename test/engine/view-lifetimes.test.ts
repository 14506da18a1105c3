import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { built } from "../support/built.js";

let dist: string;
beforeAll(async () => {
  dist = await built("index.js");
});

/** Runs a script of test/support in a process of its own; returns what it printed. */
async function script(name: string, args: readonly string[], env: Record<string, string> = {}) {
  const path = fileURLToPath(new URL(`../support/${name}`, import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", path, dist, ...args],
    { env: { ...process.env, ...env } },
  );
  return JSON.parse(stdout);
}

describe("tensors and views that come and go in every order", () => {
  it.each([
    ["", 5000, {}],
    [", streams with threads", 2000, { DAVIT_STREAM_THREADS: "1" }],
  ])("hold what they should, and nothing is left%s", async (_, rounds, env) => {
    const { checks, ...left } = await script("gc-rounds.mjs", [`${rounds}`, "12"], env);
    expect(checks).toBeGreaterThan(rounds / 10);
    expect(left.tensors).toBe(0);
    expect(left.active).toBeLessThan(2 ** 16);
  });

  it.runIf(process.platform === "linux")("touch no memory that was freed", async () => {
    const env = { DAVIT_GUARD_PAGES: "1" };
    const { checks, tensors } = await script("gc-rounds.mjs", ["2000", "13"], env);
    expect(checks).toBeGreaterThan(200);
    expect(tensors).toBe(0);
  });
});

describe("a runtime that allows no buffers over foreign memory", () => {
  it("has copies for views, and refuses what a copy cannot be", async () => {
    expect(await script("copies.mjs", [], { DAVIT_EXTERNAL_BUFFERS: "0" })).toEqual({
      view: 6,
      sum: 30_000,
      filled: [1, 2],
      writable: "memory_external",
      dlpack: "memory_external",
    });
  });
});
