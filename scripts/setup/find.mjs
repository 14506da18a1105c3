/** Finding commands, as a shell would. */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { output } from "./run.mjs";

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The full path of a command, or undefined. */
export function which(command) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, command)).find(executable);
}

let python;

/** The first Python 3 that has pip: of the PATH, or the system's own. */
export function pythonWithPip() {
  const hasPip = (path) => output(path, ["-m", "pip", "--version"]) !== undefined;
  python ??= [which("python3"), "/usr/bin/python3"].filter(Boolean).find(hasPip);
  return python;
}

/** CPython's tag, such as cp311. */
export const pythonTag = (python) =>
  output(python, ["-c", "import sys; print('cp%d%d' % sys.version_info[:2])"])?.trim();
