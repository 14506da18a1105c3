/**
 * The tests that need Nx: those of `elixir_client/test/nx`, examples and notebooks, and Nx's own on Davit.Backend, once with Nx's
 * evaluator and once with Davit as the compiler. checkouts.mjs finds Nx and the libraries beside it. Where the Elixir on the PATH
 * is too old for Nx, NX_ELIXIR names the folder with the programs of another one.
 */
import { delimiter, join } from "node:path";
import { elixirEnv } from "../setup/elixir.mjs";
import { which } from "../setup/find.mjs";
import { inRoot } from "../setup/paths.mjs";
import { foreground, output } from "../setup/run.mjs";
import { checkouts, leftOut, nxMissing } from "./checkouts.mjs";

const OLDEST = [1, 17];

/** Runs all tests, or only the suites of Nx that are named; `axon` are those of Axon. Where they cannot be run, it says why. */
export function testNx(suites = []) {
  const missing = whatIsMissing();
  if (missing !== undefined) {
    process.stdout.write(`skipped: ${missing}\n`);
    return;
  }
  const cwd = inRoot("elixir_client");
  const env = environment();
  foreground(program("mix"), ["compile"], { cwd, env });
  const paths = join(env.MIX_BUILD_ROOT, "test", "lib", "*", "ebin");
  const run = (...script) => foreground(program("elixir"), ["-pa", paths, ...script], { cwd, env });
  if (suites.length === 0) {
    foreground(program("mix"), ["test", "test/nx"], { cwd, env });
    run("test/nx_scripts/run.exs");
    for (const line of leftOut(env)) process.stdout.write(`${line}\n`);
  }
  if (suites.includes("axon")) {
    if (env.AXON_PATH === undefined)
      process.stdout.write("skipped: AXON_PATH names no checkout of Axon\n");
    else run("test/nx_suites/axon.exs");
  }
  const ofNx = suites.filter((name) => name !== "axon");
  if (suites.length > 0 && ofNx.length === 0) return;
  for (const mode of [[], ["--compiler"]]) run("test/nx_suites/run.exs", ...mode, ...ofNx);
}

function whatIsMissing() {
  const noNx = nxMissing(process.env);
  if (noNx !== undefined) return noNx;
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
    ...checkouts(process.env),
    MIX_ENV: "test",
    MIX_BUILD_ROOT: MIX_BUILD_ROOT ?? inRoot("elixir_client", "_build", "nx"),
    ...(folder === undefined ? {} : { PATH: `${folder}${delimiter}${PATH}` }),
    ...(rebar === undefined ? {} : { MIX_REBAR3: rebar }),
  };
}
