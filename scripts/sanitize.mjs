/**
 * `npm run sanitize [-- PATTERN...]`: builds the addon once more, into build-asan/, with AddressSanitizer, and runs vitest files with
 * it: those about memory, or those that match. On Linux, with GCC.
 */
import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { addonCommand } from "./setup/addon.mjs";
import { ensureMlx } from "./setup/mlx.mjs";
import { inRoot } from "./setup/paths.mjs";
import { fail, SetupError } from "./setup/report.mjs";
import { foreground, output, run } from "./setup/run.mjs";
import { setUp } from "./setup/steps.mjs";

const build = "build-asan";
const compiler = process.env.CXX ?? "c++";

/** Node is not built with the sanitizer, so that its run-time library has to be loaded first; libstdc++ with it, whose exceptions it looks at. */
function preloaded() {
  const libraries = ["libasan.so", "libstdc++.so.6"].map((name) =>
    output(compiler, [`-print-file-name=${name}`])?.trim(),
  );
  const missing = libraries.find((path) => !path || !isAbsolute(path) || !existsSync(path));
  if (process.platform === "linux" && missing === undefined) return libraries.join(":");
  throw new SetupError(
    `${compiler} has no AddressSanitizer that can be loaded before Node`,
    "use GCC on Linux, such as `CXX=g++ npm run sanitize`",
  );
}

async function main() {
  const library = preloaded();
  await setUp("build");
  const [command, ...args] = addonCommand("build", await ensureMlx());
  const sanitized = ["--out", inRoot(build), "--CDSANITIZE=address", "--parallel", "2"];
  await run("compiling the addon with AddressSanitizer", command, [...args, ...sanitized]);
  return library;
}

const library = await main().catch(fail);
const patterns = process.argv.slice(2);
const memory = ["view", "writable", "fill", "memory", "owners"].map(
  (name) => `test/engine/${name}`,
);
const vitest = inRoot("node_modules", "vitest", "vitest.mjs");
foreground(process.execPath, [vitest, "run", ...(patterns.length > 0 ? patterns : memory)], {
  env: {
    DAVIT_ADDON: inRoot(build, "Release", "davit.node"),
    LD_PRELOAD: library,
    // Node does not free what it has when it ends; tests ask for more memory than there is, and expect an error.
    ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1:abort_on_error=1",
  },
});
