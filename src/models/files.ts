import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fromSystem } from "../files/error.js";

/** The files of a model, and what tells them from others. */
export interface ModelFiles {
  /** The model's file, or the folder with its files, without symbolic links. */
  readonly path: string;
  /** The folder with the files. */
  readonly folder: string;
  /** Names of files in the folder, in order. */
  readonly names: readonly string[];
  /** The same for the same files as they are, by any path; another one where a file has changed. */
  readonly identity: string;
  /** The same for files of the same names and lengths. */
  readonly shape: string;
}

/** The files that a model is read from: weights, and what the JSON files of the folder and of the folders in it say. */
const WEIGHTS = /\.(safetensors|gguf|json)$/;
const INNER = /\.json$/;

/** Finds the files of a model: those of a folder, or the only one. @throws FileError */
export async function findModelFiles(given: string): Promise<ModelFiles> {
  try {
    const path = await realpath(given);
    const isFolder = (await stat(path)).isDirectory();
    const folder = isFolder ? path : dirname(path);
    const names = isFolder ? await namesIn(path) : [basename(path)];
    const files = await Promise.all(
      names.map(async (name) => {
        const { dev, ino, size, mtimeMs } = await stat(join(folder, name));
        return { name, size, identity: [name, dev, ino, size, mtimeMs] };
      }),
    );
    return {
      path,
      folder,
      names,
      identity: JSON.stringify([isFolder, files.map(({ identity }) => identity)]),
      shape: JSON.stringify([isFolder, files.map(({ name, size }) => [name, size])]),
    };
  } catch (error) {
    throw fromSystem(error, given);
  }
}

async function namesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const inner = await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map(async ({ name }) => {
        const names = await readdir(join(path, name));
        return names.filter((file) => INNER.test(file)).map((file) => join(name, file));
      }),
  );
  const own = entries.filter((entry) => !entry.isDirectory() && WEIGHTS.test(entry.name));
  return [...own.map(({ name }) => name), ...inner.flat()].sort();
}

/** The SHA-256 of the names and bytes of the files. @throws an error of the system */
export async function hashModelFiles({ folder, names }: ModelFiles): Promise<string> {
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(`${name}\0`);
    for await (const part of createReadStream(join(folder, name), { highWaterMark: 2 ** 20 })) {
      hash.update(part as Buffer);
    }
  }
  return hash.digest("hex");
}
