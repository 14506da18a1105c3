import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { diffRecordings, Engine } from "davit-engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { investigate } from "../examples/nan/investigate.js";

const root = fileURLToPath(new URL("..", import.meta.url));
let folder: string;
const engine = Engine.create();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-nan-"));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

describe("debugging a NaN", () => {
  it("names the operation, the step and the point", async () => {
    const said: string[] = [];
    const { losses, findings, diff } = await investigate(engine, folder, (text) => said.push(text));

    // The training goes well, until it is lost.
    expect(losses).toHaveLength(100);
    const lost = losses.findIndex(Number.isNaN);
    expect(lost).toBeGreaterThan(10);
    expect(losses.slice(lost).every(Number.isNaN)).toBe(true);
    expect(losses[lost - 1]).toBeLessThan((losses[0] as number) / 3);

    // The probe: a logarithm of zero, times zero, in the step that lost it.
    expect(findings.slice(0, 2)).toEqual([
      { label: "log_softmax", step: lost, nan: 0, inf: 1 },
      { label: "picked", step: lost, nan: 1, inf: 0 },
    ]);
    expect(findings.some(({ label, step }) => label === "w1" && step === lost)).toBe(true);

    // The comparison: the same place, and the point that is not like the others.
    expect(diff.first).toMatchObject({
      kind: "value",
      where: { title: "log_softmax", path: [lost] },
      around: { b: expect.arrayContaining(["-Infinity"]) },
    });
    expect(diff.first).toHaveProperty("index", [17, expect.any(Number)]);
    expect(diff.a.notFinite).toBeUndefined();
    expect(diff.b.notFinite).toMatchObject({ title: "log_softmax", path: [lost] });
    expect(diff.a.alone.map(({ title }) => title)).toEqual(["log_softmax.logsumexp"]);
    expect(said.join("\n")).toMatch(
      /First difference: log_softmax \[\d+\], float32\[48, 3\], element \[17, \d\]/,
    );
    expect(said.join("\n")).toMatch(/point 17: \d\d\./);
  });

  it("names them from Elixir too", { timeout: 120_000 }, async () => {
    const script = join(root, "examples", "nan", "debug.exs");
    const { stdout } = await promisify(execFile)("mix", ["run", script, folder], {
      cwd: join(root, "elixir_client"),
      env: { ...process.env, ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" },
    });
    const [, step] = /step (\d+) {2}log_softmax +0 NaN {2}1 infinite\n/.exec(stdout) ?? [];
    expect(stdout).toMatch(new RegExp(`\\n {2}step ${step} {2}d_softmax +1 NaN`));
    expect(stdout).toMatch(
      new RegExp(`First difference: log_softmax \\[${step}\\], .*, element \\[17, \\d\\]`),
    );
    expect(stdout).toMatch(/point 17: \[\d\d\./);
    // What Elixir recorded is compared by Node alike.
    const files = ["good.rec", "bad.rec"].map((name) => join(folder, name)) as [string, string];
    const found = await diffRecordings(...files, { rtol: 1e-2, atol: 1e-5 });
    expect(found.first?.where).toMatchObject({ title: "log_softmax", path: [Number(step)] });
  });
});
