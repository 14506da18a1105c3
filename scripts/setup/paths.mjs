/** Where set-up puts things. All of it is inside the checkout and ignored by git. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export const inRoot = (...parts) => join(root, ...parts);

/** Unpacked wheels: kept when build/ and node_modules/ are thrown away. */
export const inDeps = (...parts) => inRoot(".deps", ...parts);

/** This machine, as wheels.json and the reports name it: linux-x64, darwin-arm64, ... */
export const platform = `${process.platform}-${process.arch}`;

/** A path in an npm package that this one depends on, wherever npm has put it. */
export function packagePath(name, ...parts) {
  for (let folder = root; ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(found)) return join(found, ...parts);
    if (folder === dirname(folder)) throw new Error(`the npm package ${name} is not installed`);
  }
}
