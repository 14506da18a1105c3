import { execFileSync } from "node:child_process";
import { constants, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseCommand } from "../../src/cli/command.js";
import { inspect } from "../../src/cli/inspect.js";
import { Engine } from "../../src/engine/engine.js";
import { readTensors, writeTensors } from "../../src/files/index.js";
import { openRegular, openRegularSync, readRegular, writeRegular } from "../../src/files/open.js";
import { diffRecordings } from "../../src/record/diff.js";
import { record } from "../../src/record/record.js";
import { replay } from "../../src/record/replay.js";
import { f32 } from "../support/client.js";

let folder: string;
let server: Server;
/** Paths of what is no regular file, by what it is. A pipe has no reader and no writer, or both. */
const paths: Record<string, string> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "davit-open-"));
  paths.folder = folder;
  paths.device = "/dev/zero";
  paths.pipe = join(folder, "pipe");
  paths["open pipe"] = join(folder, "open-pipe");
  paths.socket = join(folder, "socket");
  execFileSync("mkfifo", [paths.pipe, paths["open pipe"]]);
  // On Linux one process may hold both ends.
  openSync(paths["open pipe"], constants.O_RDWR | constants.O_NONBLOCK);
  server = createServer();
  await new Promise<void>((resolve) => server.listen(paths.socket, resolve));
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const KINDS = ["folder", "device", "pipe", "open pipe", "socket"];
const REFUSED = { code: "file_unreadable", message: expect.stringContaining("a regular file") };

describe.each(KINDS)("a %s", (kind) => {
  const path = () => paths[kind] as string;

  it("is not read and not written", async () => {
    for (const purpose of ["read", "write"] as const) {
      await expect(openRegular(path(), purpose)).rejects.toMatchObject(REFUSED);
      expect(() => openRegularSync(path(), purpose)).toThrow(expect.objectContaining(REFUSED));
    }
  });

  it("holds no tensors", async () => {
    const array = { type: { dtype: "float32", shape: [1] }, bytes: f32(1) } as const;
    for (const suffix of [".npy", ".npz", ".safetensors"]) {
      const link = join(folder, `${kind.replace(" ", "-")}${suffix}`);
      symlinkSync(path(), link);
      await expect(readTensors(link)).rejects.toMatchObject(REFUSED);
      await expect(writeTensors(link, new Map([["a", array]]))).rejects.toMatchObject(REFUSED);
    }
  });

  it("is no recording", async () => {
    const engine = Engine.create({ lanes: 1 });
    expect(() => record(engine, { path: path() })).toThrow(expect.objectContaining(REFUSED));
    await expect(replay(engine, path())).rejects.toMatchObject(REFUSED);
    await expect(diffRecordings(path(), path())).rejects.toMatchObject(REFUSED);
    await engine.close();
  });

  it("is no graph", async () => {
    const run = async (...args: string[]) => inspect.run(parseCommand(inspect, args));
    await expect(run(path())).rejects.toMatchObject(REFUSED);
  });
});

it("writes a file anew, and makes one where there is none", async () => {
  const path = join(folder, "text");
  await writeRegular(path, "a longer text");
  await writeRegular(path, "short");
  expect(readFileSync(path, "utf8")).toBe("short");
  expect(String(await readRegular(path))).toBe("short");
  await expect(readRegular(join(folder, "nothing"))).rejects.toMatchObject({
    code: "file_missing",
  });
});
