import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
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

const MIX_EXS = (client: string) => `
defmodule App.MixProject do
  use Mix.Project
  def project, do: [app: :app, version: "0.1.0", deps: [{:davit, path: ${JSON.stringify(client)}}]]
  def application, do: [extra_applications: [:logger]]
end
`;

/** Prints what a program computes, or the error. */
const PROGRAM = `
graph = Davit.Graph.build([{:float32, {2}}], &Davit.Graph.add(&1, 1))
try do
  [sum] = Davit.run(Davit.load(graph, timeout: 60_000), [[1, 2]])
  IO.inspect({Davit.Tensor.to_list(sum), Davit.Engine.stop()})
rescue
  error in Davit.EngineError -> IO.puts(Exception.message(error))
end
`;

let folder: string;

/** An application's release, made from a copy of the client in a folder that is gone afterwards, and moved elsewhere. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "davit-release-"));
  const [project, client] = [join(folder, "project"), join(folder, "client", "elixir_client")];
  mkdirSync(join(project, "lib"), { recursive: true });
  cpSync(join(root, "elixir_client", "lib"), join(client, "lib"), { recursive: true });
  cpSync(join(root, "elixir_client", "mix.exs"), join(client, "mix.exs"));
  writeFileSync(join(project, "mix.exs"), MIX_EXS(client));
  writeFileSync(join(project, "lib", "app.ex"), "defmodule App do\nend\n");
  // As npm would put it there.
  const packages = join(project, "rel", "overlays", "engine", "node_modules");
  mkdirSync(packages, { recursive: true });
  symlinkSync(root, join(packages, "davit-engine"));
  const env = { ...process.env, MIX_ENV: "prod", MIX_QUIET: "1", ELIXIR_ERL_OPTIONS: "+fnu" };
  await run("mix", ["release", "--path", join(folder, "made")], { cwd: project, env });
  renameSync(join(folder, "made"), join(folder, "moved"));
  rmSync(project, { recursive: true });
  rmSync(join(folder, "client"), { recursive: true });
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the program in the release. */
async function evaluate(variables: Record<string, string> = {}): Promise<string> {
  const { DAVIT_ENGINE: _, PATH = "", ...env } = process.env;
  const path = PATH.split(":").filter((part) => !existsSync(join(part, "davit")));
  const { stdout } = await run(join(folder, "moved", "bin", "app"), ["eval", start(PROGRAM)], {
    cwd: folder,
    env: { ...env, PATH: path.join(":"), ...variables, ELIXIR_ERL_OPTIONS: "+fnu" },
  });
  return stdout.trim();
}

const start = (program: string) => `{:ok, _} = Application.ensure_all_started(:davit)\n${program}`;

it("runs the engine that lies in it, as an overlay brought it there", async () => {
  expect(await evaluate()).toBe("{[2.0, 3.0], :ok}");
}, 120_000);

it("says what is missing where there is no engine, and names no folder of the machine that made it", async () => {
  rmSync(join(folder, "moved", "engine"), { recursive: true });
  const said = await evaluate();
  expect(said).toContain(`there is no ${join(folder, "moved", "engine")}`);
  expect(said).toContain("DAVIT_ENGINE");
}, 120_000);

it("runs the engine that DAVIT_ENGINE names", async () => {
  const engine = `"${process.execPath}" "${join(root, "dist", "cli", "main.js")}" port`;
  expect(await evaluate({ DAVIT_ENGINE: engine })).toBe("{[2.0, 3.0], :ok}");
}, 120_000);
