/**
 * The tests that need Nx: those of `elixir_client/test/nx`, and Nx's own on Davit.Backend, once with Nx's evaluator and once
 * with Davit as the compiler. NX_PATH names the folder `nx` of a checkout of Nx whose dependencies mix finds. Where the Elixir on
 * the PATH is too old for Nx, NX_ELIXIR names the folder with the programs of another one.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { elixirEnv } from "../setup/elixir.mjs";
import { which } from "../setup/find.mjs";
import { inRoot } from "../setup/paths.mjs";
import { foreground, output } from "../setup/run.mjs";

const OLDEST = [1, 17];

/** Runs all tests, or only the suites of Nx that are named. Where they cannot be run, it says why. */
export function testNx(suites = []) {
  const missing = whatIsMissing();
  if (missing !== undefined) {
    process.stdout.write(`skipped: ${missing}\n`);
    return;
  }
  const cwd = inRoot("elixir_client");
  const env = environment();
  foreground(program("mix"), ["compile"], { cwd, env });
  if (suites.length === 0) foreground(program("mix"), ["test", "test/nx"], { cwd, env });
  const paths = join(env.MIX_BUILD_ROOT, "test", "lib", "*", "ebin");
  const run = ["-pa", paths, "test/nx_suites/run.exs"];
  for (const mode of [[], ["--compiler"]]) {
    foreground(program("elixir"), [...run, ...mode, ...suites], { cwd, env });
  }
}

function whatIsMissing() {
  const { NX_PATH: checkout } = process.env;
  if (checkout === undefined) return "NX_PATH names no checkout of Nx";
  if (!existsSync(join(checkout, "mix.exs"))) return `NX_PATH is ${checkout}, which has no mix.exs`;
  const elixir = program("elixir");
  const version = elixir && output(elixir, ["--version"])?.match(/^Elixir (\d+)\.(\d+)/m);
  const [major, minor] = version ? version.slice(1).map(Number) : [0, 0];
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  const found = version ? `Elixir is ${major}.${minor}` : "there is no Elixir";
  return `${found}; Nx takes ${OLDEST.join(".")} or newer, in the folder that NX_ELIXIR names`;
}

function program(name) {
  const { NX_ELIXIR: folder } = process.env;
  return folder === undefined ? which(name) : join(folder, name);
}

/** Builds for this Elixir are kept apart. */
function environment() {
  const { NX_ELIXIR: folder, PATH, MIX_REBAR3, MIX_BUILD_ROOT } = process.env;
  const rebar = MIX_REBAR3 ?? which("rebar3");
  return {
    ...elixirEnv,
    MIX_ENV: "test",
    MIX_BUILD_ROOT: MIX_BUILD_ROOT ?? inRoot("elixir_client", "_build", "nx"),
    ...(folder === undefined ? {} : { PATH: `${folder}${delimiter}${PATH}` }),
    ...(rebar === undefined ? {} : { MIX_REBAR3: rebar }),
  };
}
