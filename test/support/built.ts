import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = new URL("../../", import.meta.url);

/** The address of a file of `dist/`, brought up to date: a child process runs what is built. */
export async function built(file: string): Promise<string> {
  const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", root));
  const project = fileURLToPath(new URL("tsconfig.build.json", root));
  await promisify(execFile)(process.execPath, [tsc, "-b", project]);
  return new URL(`dist/${file}`, root).href;
}
