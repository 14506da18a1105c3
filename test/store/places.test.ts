import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { Store } from "../../src/store/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();
const STRANGER = 65_534;

/** A store that tells its warnings. */
function open(path: string) {
  const warnings: string[] = [];
  return { warnings, store: new Store({ path, warn: (message) => warnings.push(message) }) };
}

const module = (name: string, size = 10) => ({
  functions: [{ name, data: Buffer.alloc(size, name), globals: ["c"] }],
  globals: [{ name: "c", data: Buffer.from("constant"), constant: true }],
});

describe("what belongs to another user", () => {
  const asRoot = it.skipIf(process.getuid?.() !== 0);

  asRoot.each(["modules", "constants"])("a file of %s is not read, and is made again", (part) => {
    const path = temporary(part);
    open(path).store.add(module("f"));
    const [name] = readdirSync(join(path, "v1", part));
    const file = join(path, "v1", part, name as string);
    const before = readFileSync(file);
    chownSync(file, STRANGER, STRANGER);
    expect(open(path).store.find("f")).toBeUndefined();
    open(path).store.add(module("f"));
    expect(open(path).store.find("f")).toBeDefined();
    expect(statSync(file).uid).toBe(0);
    expect(readFileSync(file)).toEqual(before);
  });

  asRoot("a folder is neither read nor written to, and it says so", () => {
    const path = temporary("folder");
    open(path).store.add(module("f"));
    chownSync(join(path, "v1", "names"), STRANGER, STRANGER);
    const { store, warnings } = open(path);
    expect(store.find("f")).toBeUndefined();
    store.add(module("g"));
    expect(store.find("g")).toBeDefined();
    expect(open(path).store.find("g")).toBeUndefined();
    expect(warnings).toEqual([
      expect.stringMatching(/names belongs to user 65534; expected user 0/),
    ]);
  });
});

/** Runs a test in a file system of so many bytes; skipped where none can be made. */
function inSmallDisk({ skip }: TestContext, name: string, test: (path: string) => void) {
  const path = temporary(name);
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", path], { stdio: "ignore" });
  } catch {
    skip("no small disk can be mounted here: that takes Linux and root");
  }
  try {
    test(path);
  } finally {
    execFileSync("umount", [path]);
  }
}

describe("a disk", () => {
  it("that is full: what does not fit is kept in memory, with one warning, and nothing is left half", (context) => {
    inSmallDisk(context, "full", (path) => {
      open(path).store.add(module("small"));
      const { store, warnings } = open(path);
      for (const name of ["f", "g"]) {
        store.add(module(name, 400_000));
        expect(store.find(name)?.data).toHaveLength(400_000);
        expect(open(path).store.find(name)).toBeUndefined();
      }
      expect(warnings).toEqual([expect.stringMatching(/cannot be written to.*ENOSPC/)]);
      expect(readdirSync(join(path, "v1", "tmp"))).toEqual([]);
      expect([...store.modules()].filter(({ problem }) => problem !== undefined)).toEqual([]);
      expect(open(path).store.find("small")).toBeDefined();
      store.add(module("other"));
      expect(open(path).store.find("other")).toBeDefined();
    });
  });

  it("that is read-only: what it has is found, and what is new is kept in memory", (context) => {
    inSmallDisk(context, "read-only", (path) => {
      open(path).store.add(module("f"));
      execFileSync("mount", ["-o", "remount,ro", path]);
      const { store, warnings } = open(path);
      expect(store.find("f")).toBeDefined();
      store.add(module("g"));
      store.forget("f");
      store.gc({ grace: -1 });
      expect(store.find("g")).toBeDefined();
      expect(store.find("f")).toBeDefined();
      expect(open(path).store.find("g")).toBeUndefined();
      expect(warnings).toEqual([expect.stringMatching(/cannot be written to.*EROFS/)]);
    });
  });
});
