/**
 * Stamps say that a step's result belongs to its present inputs, so that a set-up with nothing to
 * do is a matter of reading a few small files.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./paths.mjs";

export const digest = (...parts) =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex");

export const fileDigest = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

function* filesUnder(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    for (const name of readdirSync(path).sort()) yield* filesUnder(join(path, name));
  } else if (stat) {
    yield [path, stat.size, stat.mtimeMs];
  }
}

/** Changes when a file in these folders (or one of these files) does; paths as from the root. */
export const fingerprint = (...paths) =>
  digest(paths.flatMap((path) => [...filesUnder(join(root, path))]));

export function isFresh(stampFile, value) {
  try {
    return readFileSync(stampFile, "utf8") === value;
  } catch {
    return false;
  }
}

export function stamp(stampFile, value) {
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, value);
}

export const forget = (stampFile) => rmSync(stampFile, { force: true });
