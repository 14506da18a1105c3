import { closeSync, constants, fstatSync, ftruncateSync, openSync, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { FileError, fromSystem } from "./error.js";

/** What a file is opened for: to be read, or to be written anew. */
export type Purpose = "read" | "write";

/**
 * Nothing is waited for, as the other end of a pipe would be, and nothing is emptied before it is known to be a regular
 * file.
 */
const FLAGS: Readonly<Record<Purpose, number>> = {
  read: constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
  write: constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY,
};
const MODE = 0o666;

/**
 * Opens a regular file. Every path that Davit is given is opened here or in {@link openRegularSync}.
 * @throws FileError `file_not_found`, or `file_unreadable` for a folder, a pipe, a socket or a device
 */
export async function openRegular(path: string, purpose: Purpose): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, FLAGS[purpose], MODE);
    checkRegular(await file.stat(), path);
    if (purpose === "write") await file.truncate();
    return file;
  } catch (error) {
    await file?.close();
    throw refused(error, path);
  }
}

/** As {@link openRegular}, at once; returns the descriptor. */
export function openRegularSync(path: string, purpose: Purpose): number {
  let file: number | undefined;
  try {
    file = openSync(path, FLAGS[purpose], MODE);
    checkRegular(fstatSync(file), path);
    if (purpose === "write") ftruncateSync(file);
    return file;
  } catch (error) {
    if (file !== undefined) closeSync(file);
    throw refused(error, path);
  }
}

/** Reads a regular file. @throws FileError */
export async function readRegular(path: string): Promise<Buffer> {
  return await withRegular(path, "read", (file) => file.readFile());
}

/** Writes a regular file anew. @throws FileError */
export async function writeRegular(path: string, content: Uint8Array | string): Promise<void> {
  await withRegular(path, "write", (file) => file.writeFile(content));
}

/** Opens a regular file for a piece of work, and closes it after that. @throws FileError */
export async function withRegular<T>(
  path: string,
  purpose: Purpose,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await openRegular(path, purpose);
  try {
    return await work(file);
  } catch (error) {
    throw fromSystem(error, path);
  } finally {
    await file.close();
  }
}

function checkRegular(stats: Stats, path: string): void {
  if (!stats.isFile()) throw notRegular(path, kindOf(stats));
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a folder";
  if (stats.isFIFO()) return "a pipe";
  return stats.isSocket() ? "a socket" : "a device";
}

/** What is no regular file may refuse to be opened in the first place. */
function refused(error: unknown, path: string): unknown {
  const { code } = error as { code?: unknown };
  if (code === "EISDIR") return notRegular(path, "a folder", error);
  if (code === "ENXIO") return notRegular(path, "a pipe, a socket or a device", error);
  return fromSystem(error, path);
}

function notRegular(path: string, kind: string, cause?: unknown): FileError {
  return new FileError("file_unreadable", path, `it is ${kind}`, "a regular file", { cause });
}
