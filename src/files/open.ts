import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  type Stats,
} from "node:fs";
import { access, type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { FileError, fromSystem } from "./error.js";

/** The purpose of opening a file: to read it, or to write it anew. */
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
 * @throws FileError `file_missing`, or `file_unreadable` for a folder, a pipe, a socket or a device
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

/** Reads exactly `length` bytes; a file may shrink between its header and this. */
export async function readAt(
  file: FileHandle,
  position: number,
  length: number,
  path: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = Math.min(length - done, MAX_READ);
    const { bytesRead } = await file.read(bytes, done, count, position + done);
    if (bytesRead === 0) throw endsAt(position, done, length, path);
    done += bytesRead;
  }
  return bytes;
}

/** As {@link readAt}, at once. */
export function readAtSync(
  file: number,
  position: number,
  length: number,
  path: string,
): Uint8Array {
  const bytes = new Uint8Array(length);
  readIntoSync(file, position, bytes, path);
  return bytes;
}

/** Fills an array with the bytes from `position` on. @throws FileError where the file ends before */
export function readIntoSync(
  file: number,
  position: number,
  bytes: Uint8Array,
  path: string,
): void {
  const { length } = bytes;
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, Math.min(length - done, MAX_READ), position + done);
    if (count === 0) throw endsAt(position, done, length, path);
    done += count;
  }
}

/** Systems read less than 2 GiB at a time. */
const MAX_READ = 2 ** 30;

function endsAt(position: number, done: number, length: number, path: string): FileError {
  return new FileError(
    "file_truncated",
    path,
    `it ends at byte ${position + done}`,
    `${length} bytes from byte ${position}`,
  );
}

/** Refuses a path that no regular file can be written to, and makes none. @throws FileError */
export async function checkWritable(path: string): Promise<void> {
  const known = await statsOf(path);
  try {
    if (known !== undefined) checkRegular(known, path);
    else await checkFolder(dirname(path), path);
    await access(known === undefined ? dirname(path) : path, constants.W_OK);
  } catch (error) {
    throw fromSystem(error, path);
  }
}

async function checkFolder(folder: string, path: string): Promise<void> {
  if ((await statsOf(folder))?.isDirectory()) return;
  throw new FileError("file_missing", path, `there is no folder ${folder}`, "an existing folder");
}

/** Returns the status of a path; undefined where there is nothing, or where it cannot be seen. */
async function statsOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(() => undefined);
}

function checkRegular(stats: Stats, path: string): void {
  if (!stats.isFile()) throw notRegular(path, kindOf(stats));
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a folder";
  if (stats.isFIFO()) return "a pipe";
  return stats.isSocket() ? "a socket" : "a device";
}

/** A path that is no regular file may refuse to be opened in the first place. */
function refused(error: unknown, path: string): unknown {
  const { code } = error as { code?: unknown };
  if (code === "EISDIR") return notRegular(path, "a folder", error);
  if (code === "ENXIO") return notRegular(path, "a pipe, a socket or a device", error);
  return fromSystem(error, path);
}

function notRegular(path: string, kind: string, cause?: unknown): FileError {
  return new FileError("file_unreadable", path, `it is ${kind}`, "a regular file", { cause });
}
