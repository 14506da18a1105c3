/**
 * `npm run check:macos`: compiles and links the addon for macOS on Apple silicon, from Linux, against
 * the pinned mlx-metal wheel with Zig's compiler. It cannot run here; it must at least build.
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { which } from "./setup/find.mjs";
import { ensurePackages } from "./setup/npm.mjs";
import { inDeps, inRoot, root } from "./setup/paths.mjs";
import { fail, say } from "./setup/report.mjs";
import { output, run } from "./setup/run.mjs";
import { digest, fileDigest, isFresh, stamp } from "./setup/stamp.mjs";
import { ensureWheels } from "./setup/wheels.mjs";

const target = "aarch64-macos.14.0";
const build = inRoot("build-macos");
const require = createRequire(import.meta.url);

// Zig keeps its compiled libc++ here; by default it would write to the home folder.
const cache = inDeps("zig-cache");
const env = { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };

/**
 * A library with the names of all Node-API functions. Linked instead of leaving every unknown name
 * to the loader, it makes a name that the macOS libmlx lacks an error here.
 */
async function nodeStub(zig) {
  const { symbols } = require("node-api-headers");
  const names = Object.values(symbols).flatMap((version) => Object.values(version).flat());
  const source = join(build, "node.c");
  const library = join(build, "libnode.dylib");
  const functions = [...new Set(names)].map((name) => `void ${name}(void) {}\n`);
  writeFileSync(source, functions.join(""));
  const args = ["cc", "-target", target, "-shared", "-o", library, source];
  await run("making a stand-in for Node's symbols", zig, args, { env });
  return library;
}

async function configure() {
  const zigFolder = await ensureWheels("ziglang", ["ziglang"], {
    finish: (folder) => chmodSync(join(folder, "ziglang", "zig"), 0o755),
  });
  const zig = join(zigFolder, "ziglang", "zig");
  const mlx = await ensureWheels("mlx-metal", ["mlx-metal"], { target: "darwin-arm64" });
  const pins = [inRoot("scripts", "setup", "wheels.json"), inRoot("package-lock.json")];
  const value = digest(root, fileDigest(import.meta.filename), pins.map(fileDigest));
  const configured = join(build, ".configuration");
  if (isFresh(configured, value)) return;

  rmSync(build, { recursive: true, force: true });
  mkdirSync(build);
  const headers = [
    require("node-api-headers").include_dir,
    require("node-addon-api").include.replaceAll('"', ""),
  ];
  const options = {
    CMAKE_SYSTEM_NAME: "Darwin",
    // Darwin 23 is macOS 14.
    CMAKE_SYSTEM_VERSION: "23.0",
    CMAKE_SYSTEM_PROCESSOR: "arm64",
    CMAKE_OSX_SYSROOT: "",
    CMAKE_PROJECT_INCLUDE: inRoot("scripts", "setup", "macos.cmake"),
    CMAKE_CXX_COMPILER: [zig, "c++", "-target", target].join(";"),
    CMAKE_BUILD_TYPE: "Release",
    CMAKE_LIBRARY_OUTPUT_DIRECTORY: join(build, "Release"),
    CMAKE_JS_INC: headers.join(";"),
    MLX_ROOT: join(mlx, "mlx"),
    NODE_API_STUB: await nodeStub(zig),
  };
  const flags = Object.entries(options).map(([name, setting]) => `-D${name}=${setting}`);
  const generator = which("ninja") ? ["-G", "Ninja"] : [];
  const args = ["-S", root, "-B", build, ...generator, ...flags];
  await run("configuring for macOS", "cmake", args, { env });
  stamp(configured, value);
}

async function main() {
  await ensurePackages();
  await configure();
  const jobs = String(availableParallelism());
  await run("building the addon for macOS", "cmake", ["--build", build, "--parallel", jobs], {
    env,
  });
  const addon = join(build, "Release", "davit.node");
  say(`${addon}: ${output("file", ["-b", addon])?.trim() ?? "built"}`);
}

await main().catch(fail);
