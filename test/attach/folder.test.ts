import {
  chmodSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import {
  enginePids,
  engineSocket,
  ensureRuntimeFolder,
  removeDeadSockets,
  runtimeFolder,
} from "../../src/attach/folder.js";

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "davit-folder-"));
  folder = join(root, "davit");
  vi.stubEnv("DAVIT_RUNTIME_DIR", folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

it("is named by the environment", () => {
  expect(runtimeFolder()).toBe(folder);
  vi.stubEnv("DAVIT_RUNTIME_DIR", "");
  vi.stubEnv("XDG_RUNTIME_DIR", root);
  expect(runtimeFolder()).toBe(folder);
  vi.stubEnv("XDG_RUNTIME_DIR", "");
  expect(runtimeFolder()).toBe(join(tmpdir(), `davit-${process.getuid?.()}`));
});

it("is this user's alone", () => {
  expect(ensureRuntimeFolder()).toBe(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  chmodSync(folder, 0o750);
  expect(() => ensureRuntimeFolder()).toThrow(/has mode 750; expected mode 700/);
});

it("is no link and no file", () => {
  symlinkSync(root, folder);
  expect(() => ensureRuntimeFolder()).toThrow(/is not a folder/);
  rmSync(folder);
  writeFileSync(folder, "");
  expect(() => ensureRuntimeFolder()).toThrow(/EEXIST|is not a folder/);
});

it("lists sockets by process, and forgets those of the dead", () => {
  expect(enginePids()).toEqual([]);
  ensureRuntimeFolder();
  // No process has this number: it is above what Linux and macOS hand out.
  const dead = 2 ** 30;
  for (const name of [`${process.pid}.sock`, `${dead}.sock`, "x.sock", "1.sock.bak"]) {
    writeFileSync(join(folder, name), "");
  }
  expect(enginePids()).toEqual([process.pid, dead]);
  removeDeadSockets();
  expect(existsSync(engineSocket(process.pid))).toBe(true);
  expect(enginePids()).toEqual([process.pid]);
});
