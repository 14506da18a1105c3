import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DemoResult } from "../examples/minilm/result.js";
import { cosine } from "./support/cosine.js";
import reference from "./support/minilm_golden.json" with { type: "json" };

// Without the longest sentence, to which all others would be padded.
const golden = reference.filter(({ ids }) => ids.length < 100);
const root = fileURLToPath(new URL("..", import.meta.url));
const layers = Array.from({ length: 6 }, (_, n) => `encoder.${n}`);

beforeAll(async () => {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", join(root, "examples")]);
});

/** Runs the command that `npm run demo` runs after the set-up. */
function demo(args: string[], env: NodeJS.ProcessEnv = process.env) {
  const command = [join(root, "build", "examples", "minilm", "demo.js"), ...args];
  return promisify(execFile)(process.execPath, command, { env, maxBuffer: 2 ** 26 });
}

function check(result: DemoResult, host: string): void {
  expect(result.host).toBe(host);
  expect(result.sentences).toEqual(golden.map(({ sentence }) => sentence));
  expect(result.embeddings.length).toBe(golden.length);
  golden.forEach(({ embedding }, row) => {
    expect(cosine(result.embeddings[row] as number[], embedding)).toBeGreaterThan(0.9999);
  });
  // Every layer reached both subscribers once, in order.
  for (const who of ["values", "summaries"] as const) {
    expect(Object.entries(result.events[who])).toEqual(layers.map((layer) => [layer, 1]));
  }
  for (const time of Object.values(result.timings)) expect(time).toBeGreaterThanOrEqual(0);
}

describe("the demo", () => {
  const sentences = golden.map(({ sentence }) => sentence);

  it("embeds while Elixir watches", { timeout: 120_000 }, async () => {
    const { stdout } = await demo(["--json", "--", ...sentences]);
    expect(stdout.trim().split("\n").length).toBe(1);
    check(JSON.parse(stdout), "elixir");
  });

  it("embeds in Node alone", { timeout: 60_000 }, async () => {
    const { stdout, stderr } = await demo(["--json", "--node", "--", ...sentences]);
    check(JSON.parse(stdout), "node");
    expect(stderr).toMatch(/summaries {2}encoder\.5 {2}min/);
  });

  it("prints events and similarities for its own sentences", { timeout: 120_000 }, async () => {
    const { stdout } = await demo([]);
    for (const layer of layers) {
      expect(stdout).toMatch(
        new RegExp(`^  values     ${layer}  f32\\[6\\]\\[\\d+\\]\\[384\\]`, "m"),
      );
      expect(stdout).toMatch(new RegExp(`^  summaries  ${layer}  min +-\\d`, "m"));
    }
    expect(stdout).toMatch(/^ {3}6( +-?0\.\d\d){5} +1\.00$/m);
  });

  it("explains itself, and refuses options that it does not have", async () => {
    expect((await demo(["--help"])).stdout).toMatch(/^Usage: npm run demo/);
    await expect(demo(["--jsn"])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--jsn"),
    });
  });

  describe("without Elixir", () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "davit-path-"));
      await symlink(process.execPath, join(folder, "node"));
    });
    afterAll(() => rm(folder, { recursive: true }));

    it("says so and goes on in Node", { timeout: 60_000 }, async () => {
      const { stdout } = await demo(["one", "two"], { ...process.env, PATH: folder });
      expect(stdout).toMatch(/^There is no Elixir here/);
      expect(stdout).toMatch(/^ {3}2 +-?0\.\d\d +1\.00$/m);
    });
  });
});
