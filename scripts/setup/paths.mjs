/** Where set-up puts things. All of it is inside the checkout and ignored by git. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export const inRoot = (...parts) => join(root, ...parts);

/** Unpacked wheels: kept when build/ and node_modules/ are thrown away. */
export const inDeps = (...parts) => inRoot(".deps", ...parts);

/** This machine, as wheels.json and the reports name it: linux-x64, darwin-arm64, ... */
export const platform = `${process.platform}-${process.arch}`;
