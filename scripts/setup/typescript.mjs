/** TypeScript to JavaScript: src/ to dist/, port/src/ to port/dist/. */
import { existsSync } from "node:fs";
import { inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { digest, fileDigest, fingerprint, isFresh, stamp } from "./stamp.mjs";

export async function ensureTypeScript() {
  const stampFile = inRoot("dist", ".stamp");
  const value = digest(
    fingerprint(
      "src",
      "port/src",
      "port/tsconfig.json",
      "tsconfig.base.json",
      "tsconfig.build.json",
    ),
    fileDigest(inRoot("package-lock.json")),
  );
  if (isFresh(stampFile, value) && existsSync(inRoot("port", "dist", "index.js"))) return;
  const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
  await run("compiling TypeScript", process.execPath, [tsc, "-b", "tsconfig.build.json"], {
    remedy: "the compiler's message is above",
  });
  stamp(stampFile, value);
}
