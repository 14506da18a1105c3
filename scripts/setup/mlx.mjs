/** MLX and its BLAS: an own build (MLX_DIR), Homebrew's, or the pinned wheels. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SetupError, say } from "./report.mjs";
import { ensureWheels } from "./wheels.mjs";

/** The version that Davit is written against; its headers and library belong together. */
const wantedVersion = "0.32.4";
const homebrew = "/opt/homebrew/opt/mlx";

function installedVersion(folder) {
  const header = join(folder, "include", "mlx", "version.h");
  if (!existsSync(header)) return undefined;
  const text = readFileSync(header, "utf8");
  const number = (part) => text.match(new RegExp(`MLX_VERSION_${part} (\\d+)`))?.[1];
  return ["MAJOR", "MINOR", "PATCH"].map(number).join(".");
}

function ownMlx(folder) {
  const version = installedVersion(folder);
  if (!version || !existsSync(join(folder, "share", "cmake", "MLX", "MLXConfig.cmake"))) {
    throw new SetupError(
      `MLX_DIR names ${folder}, which is no MLX installation: it needs include/mlx/version.h and ` +
        "share/cmake/MLX/MLXConfig.cmake",
      "name the folder that `cmake --install` filled, or unset MLX_DIR",
    );
  }
  if (version !== wantedVersion) {
    say(`MLX_DIR has MLX ${version}; Davit is written against ${wantedVersion} and may not build`);
  }
  return folder;
}

function checkGlibc() {
  process.report.excludeNetwork = true;
  const version = process.report.getReport().header.glibcVersionRuntime;
  const [major, minor] = (version ?? "0.0").split(".").map(Number);
  if (major > 2 || (major === 2 && minor >= 35)) return;
  throw new SetupError(
    `MLX's Linux wheel needs glibc >= 2.35; this system has ${version ?? "another C library"}`,
    "use a newer system (Debian 12, Ubuntu 22.04 or later), or build MLX here and name it with MLX_DIR",
  );
}

/** Paths for CMake: the MLX installation, and on Linux the OpenBLAS package to put before it. */
export async function ensureMlx() {
  const linux = process.platform === "linux";
  const own = process.env.MLX_DIR;
  let mlx;
  if (own) {
    mlx = ownMlx(resolve(own));
  } else if (!linux && installedVersion(homebrew) === wantedVersion) {
    mlx = homebrew;
  } else {
    if (linux) checkGlibc();
    const backend = linux ? "mlx-cpu" : "mlx-metal";
    mlx = join(await ensureWheels(backend, [backend]), "mlx");
  }
  if (!linux) return { mlx, openblas: "" };
  const folder = await ensureWheels("scipy-openblas32", ["scipy-openblas32"]);
  return { mlx, openblas: join(folder, "scipy_openblas32") };
}
