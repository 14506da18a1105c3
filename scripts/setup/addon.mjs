/** The native addon, build/Release/davit.node, and davit-guard, through cmake-js. */
import { existsSync, rmSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { inRoot, root } from "./paths.mjs";
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
    fileDigest(inRoot("package-lock.json")),
  );
  const sources = digest(configuration, fingerprint("native", "CMakeLists.txt"));
  const results = ["davit.node", "davit-guard"].map((name) => inRoot("build", "Release", name));
  if (isFresh(built, sources) && results.every((path) => existsSync(path))) return;

  if (!isFresh(configured, configuration))
    rmSync(inRoot("build"), { recursive: true, force: true });
  forget(built);
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / bytesPerJob)));
  const paths = [`--CDMLX_ROOT=${mlx}`, `--CDOPENBLAS_ROOT=${openblas}`];
  const cmakeJs = inRoot("node_modules", "cmake-js", "bin", "cmake-js");
  const remedy = "the compiler's message is above; `rm -rf build` starts from nothing";
  await run(
    "compiling the addon",
    process.execPath,
    [cmakeJs, "build", "--parallel", String(jobs), ...paths],
    { remedy },
  );
  stamp(configured, configuration);
  stamp(built, sources);
}
