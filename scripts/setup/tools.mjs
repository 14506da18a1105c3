/** What tests and checks need beside the engine itself. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pythonWithPip } from "./find.mjs";
import { inDeps } from "./paths.mjs";
import { ensureWheels } from "./wheels.mjs";

/** One clang-format for everyone: two versions format differently. */
const clangFormatProgram = ["clang_format", "data", "bin", "clang-format"];

export const clangFormat = inDeps("clang-format", ...clangFormatProgram);

export const ensureClangFormat = () =>
  ensureWheels("clang-format", ["clang-format"], {
    // Zip readers drop the permission to execute.
    finish: (folder) => chmodSync(join(folder, ...clangFormatProgram), 0o755),
  });

/**
 * MLX for Python and NumPy, what tests and benchmarks compare with, and the command
 * .deps/python-reference/python3, which sees them and nothing that a user installed.
 */
export function ensureReference() {
  const backend = process.platform === "linux" ? "mlx-cpu" : "mlx-metal";
  return ensureWheels("python-reference", ["mlx", backend, "numpy"], {
    finish: (folder) => {
      const command = join(folder, "python3");
      writeFileSync(
        command,
        '#!/bin/sh\nPYTHONNOUSERSITE=1 PYTHONPATH=$(dirname "$0") exec ' +
          `"${pythonWithPip()}" "$@"\n`,
      );
      chmodSync(command, 0o755);
    },
  });
}
