import { execFile } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

/**
 * An empty project, into which the package is installed as npm would from its registry. Only the addon is that of this
 * checkout: to compile it takes minutes.
 */
let project: string;
const installed = (...parts: string[]) => join(project, "node_modules", "davit-engine", ...parts);
beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), "davit-package-"));
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", project], { cwd: root });
  const [packed] = readdirSync(project) as [string];
  writeFileSync(join(project, "package.json"), '{ "private": true }');
  await run("npm", ["install", "--ignore-scripts", `./${packed}`], { cwd: project });
}, 600_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

it("can compile its addon: all sources are there, and CMake finds what they need", async () => {
  const { stdout } = await run("git", ["ls-files", "native", "CMakeLists.txt"], { cwd: root });
  const missing = stdout
    .trim()
    .split("\n")
    .filter((path) => {
      return readFileSync(join(root, path)).compare(readFileSync(installed(path))) !== 0;
    });
  expect(missing).toEqual([]);
  const { addonCommand } = await import(installed("scripts", "setup", "addon.mjs"));
  const libraries = {
    mlx: join(root, ".deps", "mlx-cpu", "mlx"),
    openblas: join(root, ".deps", "scipy-openblas32", "scipy_openblas32"),
  };
  const [command, ...args] = addonCommand("configure", libraries) as [string, ...string[]];
  await run(command, args, { cwd: installed() });
});

it("runs the README's example, and brings the command", async () => {
  rmSync(installed("build"), { recursive: true, force: true });
  symlinkSync(join(root, "build"), installed("build"));
  const readme = readFileSync(installed("README.md"), "utf8");
  const [, example] = /^```js\n([\s\S]*?)^```$/m.exec(readme) as unknown as [string, string];
  const node = ["--input-type=module", "-e", example];
  const ran = await run(process.execPath, node, { cwd: project });
  expect(ran.stdout.trim().split("\n")).toEqual(["Float32Array(3) [ 2, 4, 6 ]", "12"]);
  const doctor = await run("npx", ["--no-install", "davit", "doctor", "--json"], { cwd: project });
  expect(JSON.parse(doctor.stdout).complaints).toEqual([]);
});

it("holds no build outputs of this checkout but dist", () => {
  expect(readdirSync(installed("elixir_client")).sort()).toEqual([
    "LICENSE",
    "README.md",
    "lib",
    "mix.exs",
  ]);
});
