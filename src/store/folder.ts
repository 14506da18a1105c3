import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { STORE_VERSION } from "./module.js";

/** The folders of a store. */
export type Part = "modules" | "names" | "constants" | "tmp" | "damaged";

const PARTS: readonly Part[] = ["modules", "names", "constants", "tmp", "damaged"];

/** A file's name is a SHA-256, so no name that a caller chose is part of a path. */
const HASH = /^[0-9a-f]{64}$/;

/** Errors that say nothing of a file: the process or the machine has no more of something. */
const PASSING: ReadonlySet<string | undefined> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EIO"]);

/** Returns where the store is: `DAVIT_STORE`, else `davit/store` in `XDG_CACHE_HOME`, else in `~/.cache`. */
export function storePath(): string {
  const { DAVIT_STORE: own, XDG_CACHE_HOME: xdg } = process.env;
  return own || join(xdg || join(homedir(), ".cache"), "davit", "store");
}

/** Tells the code of an error of the file system. */
export function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

function isOwnFile(stats: Stats): boolean {
  return stats.isFile() && stats.uid === (process.getuid?.() ?? stats.uid);
}

/** A file of the store that is open for reading. */
export class StoredFile {
  readonly #descriptor: number;
  /** Bytes. */
  readonly size: number;

  constructor(descriptor: number, size: number) {
    this.#descriptor = descriptor;
    this.size = size;
  }

  /** Reads bytes; fewer where the file ends before. */
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.size - offset)));
    let read = 0;
    while (read < bytes.length) {
      const count = readSync(this.#descriptor, bytes, read, bytes.length - read, offset + read);
      if (count === 0) return bytes.subarray(0, read);
      read += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/**
 * The files of a store. They are this user's own, in folders that are this user's alone; anything else is not touched.
 * A file is written under a name of its own and renamed when it is whole, so that it is seen whole or not at all.
 */
export class StoreFolder {
  readonly path: string;

  constructor(root: string) {
    this.path = join(root, `v${STORE_VERSION}`);
  }

  /**
   * Makes the folders where they are missing.
   * @throws Error where they are not the user's alone, or cannot be made
   */
  ensure(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    this.#check(this.path);
    for (const part of PARTS) {
      mkdirSync(this.#at(part), { recursive: true, mode: 0o700 });
      this.#check(this.#at(part));
    }
  }

  /** Tells whether the folders are there and the user's alone. */
  usable(): boolean {
    try {
      for (const path of [this.path, ...PARTS.map((part) => this.#at(part))]) this.#check(path);
      return true;
    } catch {
      return false;
    }
  }

  #check(path: string): void {
    const stats = lstatSync(path);
    const uid = process.getuid?.() ?? stats.uid;
    const wrong = !stats.isDirectory()
      ? "is not a folder"
      : stats.uid !== uid
        ? `belongs to user ${stats.uid}; expected user ${uid}`
        : (stats.mode & 0o077) !== 0
          ? `has mode ${(stats.mode & 0o777).toString(8)}; expected 700`
          : undefined;
    if (wrong !== undefined) throw new Error(`${path} ${wrong}`);
  }

  #at(part: Part, ...names: string[]): string {
    return join(this.path, part, ...names);
  }

  /**
   * Opens a file; undefined where there is none, or none of this user's own.
   * @throws Error where it cannot be told now, as when the process has no more descriptors
   */
  open(part: Part, name: string): StoredFile | undefined {
    let descriptor: number;
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      descriptor = openSync(this.#at(part, name), flags);
    } catch (error) {
      if (PASSING.has(errno(error))) throw error;
      return undefined;
    }
    const stats = fstatSync(descriptor);
    if (isOwnFile(stats)) return new StoredFile(descriptor, stats.size);
    closeSync(descriptor);
    return undefined;
  }

  /** The names in a part: hashes alone. */
  list(part: Part): string[] {
    return this.#list(this.#at(part)).filter((name) => HASH.test(name));
  }

  /** All names in a part. */
  listAll(part: Part): string[] {
    return this.#list(this.#at(part));
  }

  /** The modules that have a function, by the hash of its name. */
  modulesOf(name: string): string[] {
    const path = this.#at("names", name);
    try {
      if (!lstatSync(path).isDirectory()) return [];
    } catch {
      return [];
    }
    return this.#list(path).filter((id) => HASH.test(id));
  }

  #list(path: string): string[] {
    try {
      return readdirSync(path).sort();
    } catch (error) {
      if (PASSING.has(errno(error))) throw error;
      return [];
    }
  }

  /** Bytes and last use, in milliseconds; undefined where there is no such file, or none of this user's own. */
  stat(
    part: Part,
    ...names: string[]
  ): { readonly size: number; readonly used: number } | undefined {
    try {
      const stats = lstatSync(this.#at(part, ...names));
      return isOwnFile(stats) ? { size: stats.size, used: stats.mtimeMs } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Writes a file, whole or not at all. */
  write(part: Part, name: string, bytes: Uint8Array): void {
    const temporary = this.#at("tmp", `${process.pid}-${randomBytes(8).toString("hex")}`);
    try {
      const descriptor = openSync(temporary, "wx", 0o600);
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(temporary, this.#at(part, name));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** Says that a module has a function, by the hash of its name. */
  link(name: string, id: string): void {
    const path = this.#at("names", name);
    for (let attempt = 0; ; attempt++) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      this.#check(path);
      try {
        closeSync(openSync(join(path, id), constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
        this.touch("names", name, id);
        return;
      } catch (error) {
        // Another process found the folder empty, and removed it.
        if (errno(error) !== "ENOENT" || attempt === 8) throw error;
      }
    }
  }

  /** Notes that a file was used. */
  touch(part: Part, ...names: string[]): void {
    try {
      const now = Date.now() / 1000;
      utimesSync(this.#at(part, ...names), now, now);
    } catch {
      // It is read-only, or gone: nothing depends on it.
    }
  }

  /** Removes what is said of a module and a function. */
  unlink(name: string, id: string): void {
    this.#attempt(() => {
      if (!this.modulesOf(name).includes(id)) return;
      this.remove("names", name, id);
      this.removeEmpty(name);
    });
  }

  /** Removes the folder of a function that no module has: that of another one is not empty, and stays. */
  removeEmpty(name: string): void {
    this.#attempt(() => rmdirSync(this.#at("names", name)));
  }

  /** Removes a file; of a symbolic link, the link. */
  remove(part: Part, ...names: string[]): boolean {
    return this.#attempt(() => unlinkSync(this.#at(part, ...names)));
  }

  /** Sets a damaged module aside, so that nobody reads it again. */
  setAside(id: string): void {
    this.#attempt(() => renameSync(this.#at("modules", id), this.#at("damaged", id)));
  }

  #attempt(action: () => void): boolean {
    try {
      action();
      return true;
    } catch {
      return false;
    }
  }
}
