import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { DavitError } from "../error.js";

/**
 * Returns the folder where the engines of this user open their sockets: `DAVIT_RUNTIME_DIR`, else `davit` in
 * `XDG_RUNTIME_DIR`, else a folder with the user's number in the system's folder for temporary files.
 */
export function runtimeFolder(): string {
  const { DAVIT_RUNTIME_DIR: own, XDG_RUNTIME_DIR: xdg } = process.env;
  if (own) return own;
  return xdg ? join(xdg, "davit") : join(tmpdir(), `davit-${userInfo().uid}`);
}

/**
 * Makes the folder where it is missing, for this user alone, and returns it.
 * @throws DavitError `runtime_folder_invalid` where it belongs to others, or others may enter it
 */
export function ensureRuntimeFolder(): string {
  const folder = runtimeFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stats = lstatSync(folder);
  const wrong = (found: string, expected: string) =>
    new DavitError(
      "runtime_folder_invalid",
      `the folder ${folder} ${found}; expected ${expected}`,
      { expected },
    );
  if (!stats.isDirectory()) throw wrong("is not a folder", "a folder");
  const { uid } = userInfo();
  if (stats.uid !== uid) throw wrong(`belongs to user ${stats.uid}`, `a folder of user ${uid}`);
  if ((stats.mode & 0o077) !== 0) {
    throw wrong(`has mode ${(stats.mode & 0o777).toString(8)}`, "mode 700");
  }
  return folder;
}

/** Returns the path of the socket of the engine in a process. */
export function engineSocket(pid: number): string {
  return join(runtimeFolder(), `${pid}.sock`);
}

/** Returns the processes that have a socket in the folder, in order; some may be dead. */
export function enginePids(): number[] {
  let names: string[];
  try {
    names = readdirSync(runtimeFolder());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const pids = names.flatMap((name) => /^(\d{1,10})\.sock$/.exec(name)?.[1] ?? []);
  return pids.map(Number).sort((a, b) => a - b);
}

/** Removes the sockets of processes that are dead. */
export function removeDeadSockets(): void {
  for (const pid of enginePids()) {
    if (!isAlive(pid)) rmSync(engineSocket(pid), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
