import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The Python that results are compared with: `DAVIT_PYTHON`, else the system's with the set-up's packages. */
const reference = fileURLToPath(new URL("../../.deps/python-reference", import.meta.url));
const command = process.env.DAVIT_PYTHON ?? "python3";
const environment =
  process.env.DAVIT_PYTHON === undefined && existsSync(reference)
    ? { ...process.env, PYTHONPATH: reference }
    : process.env;

/** Runs Python and gives what it printed; its own message becomes the error. */
export function python(args: readonly string[], input = ""): string {
  const child = spawnSync(command, args, {
    input,
    env: environment,
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) throw new Error(`Python failed (${child.status}):\n${child.stderr}`);
  return child.stdout;
}

/** Tells whether Python can import a module. */
export function hasModule(name: string): boolean {
  return spawnSync(command, ["-c", `import ${name}`], { env: environment }).status === 0;
}
