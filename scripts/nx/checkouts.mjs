/**
 * Checkouts of Elixir libraries that are tested with Davit. A variable names each: NX_PATH the folder `nx` of a checkout of Nx,
 * AXON_PATH a checkout of Axon, and so on. One that no variable names is also found beside the checkout of Nx, in a folder of the
 * library's name. mix has to find their dependencies.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

const LIBRARIES = ["axon", "polaris", "kino", "kino_vega_lite", "vega_lite", "table"];

/** What is tested with which library. */
const TESTED = {
  axon: "training with Axon",
  kino: "Davit.Kino",
  kino_vega_lite: "charts and notebooks",
};

const variable = (library) => `${library.toUpperCase()}_PATH`;
const isProject = (folder) => existsSync(join(folder, "mix.exs"));

/** Why there is no checkout of Nx, or undefined. */
export function nxMissing(env) {
  const { NX_PATH: folder } = env;
  if (folder === undefined) return "NX_PATH names no checkout of Nx";
  if (!isProject(folder)) return `NX_PATH is ${folder}, which has no mix.exs`;
  return undefined;
}

/** The variables of the checkouts that are there beside the one of Nx, or that are named; each with its folder. */
export function checkouts(env) {
  const beside = dirname(dirname(env.NX_PATH));
  const folders = LIBRARIES.map((library) => [
    variable(library),
    env[variable(library)] ?? join(beside, library),
  ]);
  return Object.fromEntries(folders.filter(([, folder]) => isProject(folder)));
}

/** What is not tested with these checkouts, as lines. */
export function leftOut(there) {
  return Object.entries(TESTED)
    .filter(([library]) => there[variable(library)] === undefined)
    .map(([library, what]) => `skipped: ${what}; ${variable(library)} names no checkout`);
}
