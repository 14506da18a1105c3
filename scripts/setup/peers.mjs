/** What `npm run bench -- --peers` fetches: what people would use in the engine's place. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pythonWithPip } from "./find.mjs";
import { ensureWheels } from "./wheels.mjs";

const packages = [
  ...["onnxruntime", "onnx", "protobuf", "typing_extensions", "flatbuffers"],
  ...["jax", "jaxlib", "ml_dtypes", "opt_einsum", "scipy"],
];

/**
 * onnxruntime and jax, and the command .deps/python-peers/python3, which sees them, numpy, and what PYTHONPATH names:
 * a torch, say, whose wheel for Linux would bring gigabytes for GPUs.
 */
export const ensurePeers = () =>
  ensureWheels("python-peers", packages, {
    finish: (folder) => {
      const command = join(folder, "python3");
      writeFileSync(
        command,
        '#!/bin/sh\nhere=$(dirname "$0")\n' +
          `PYTHONNOUSERSITE=1 PYTHONPATH="$here:$here/../python-reference\${PYTHONPATH:+:$PYTHONPATH}" exec ` +
          `"${pythonWithPip()}" "$@"\n`,
      );
      chmodSync(command, 0o755);
    },
  });
