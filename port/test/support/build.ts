import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** The package's folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Child processes run what is built: builds it when a source is newer. For one test file only. */
export function build(): void {
  const newest = Math.max(
    ...readdirSync(`${root}/src`).map((file) => statSync(`${root}/src/${file}`).mtimeMs),
  );
  const built = statSync(`${root}/dist/.tsbuildinfo`, { throwIfNoEntry: false });
  if (built && built.mtimeMs >= newest) return;
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  execFileSync(process.execPath, [manifest.replace("package.json", "bin/tsc"), "-p", root]);
}
