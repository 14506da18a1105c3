/** The native addon, build/Release/davit.node, and davit-guard, through cmake-js. */
import { existsSync, rmSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { inRoot, packagePath, root } from "./paths.mjs";
import { run } from "./run.mjs";
import { digest, fileDigest, fingerprint, forget, isFresh, stamp } from "./stamp.mjs";

/** A compiler on MLX's headers takes about a gigabyte. */
const bytesPerJob = 1.2 * 2 ** 30;

export async function ensureAddon({ mlx, openblas }) {
  const configured = inRoot("build", ".configuration");
  const built = inRoot("build", ".stamp");
  const configuration = digest(
    root,
    mlx,
    openblas,
    process.env.CXX,
    fileDigest(inRoot("scripts", "setup", "wheels.json")),
    fileDigest(packagePath("cmake-js", "package.json")),
    fileDigest(packagePath("node-addon-api", "package.json")),
    fileDigest(packagePath("node-api-headers", "package.json")),
  );
  const sources = digest(configuration, fingerprint("native", "CMakeLists.txt"));
  const results = ["davit.node", "davit-guard"].map((name) => inRoot("build", "Release", name));
  if (isFresh(built, sources) && results.every((path) => existsSync(path))) return;

  if (!isFresh(configured, configuration))
    rmSync(inRoot("build"), { recursive: true, force: true });
  forget(built);
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / bytesPerJob)));
  const [command, ...args] = addonCommand("build", { mlx, openblas });
  const remedy = "the compiler's message is above; `rm -rf build` starts from nothing";
  await run("compiling the addon", command, [...args, "--parallel", String(jobs)], { remedy });
  stamp(configured, configuration);
  stamp(built, sources);
}

/** The command that configures or builds the addon: `what` is a command of cmake-js. */
export function addonCommand(what, { mlx, openblas }) {
  const cmakeJs = packagePath("cmake-js", "bin", "cmake-js");
  const paths = [`--CDMLX_ROOT=${mlx}`, `--CDOPENBLAS_ROOT=${openblas}`];
  return [process.execPath, cmakeJs, what, ...paths];
}
