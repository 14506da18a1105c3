import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type FileArray, readTensors, writeTensors } from "../../src/files/index.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-files-"));
});
afterAll(() => rm(folder, { recursive: true }));

const array: FileArray = { type: { dtype: "int16", shape: [2] }, bytes: Uint8Array.of(1, 0, 2, 0) };

it.each([
  ["x.npy", ["value"]],
  ["x.npz", ["a", "b"]],
  ["x.safetensors", ["a", "b"]],
])("writes and reads %s by its suffix", async (file, names) => {
  const path = join(folder, file);
  await writeTensors(path, new Map(names.map((name) => [name, array])));
  const read = await readTensors(path);
  expect([...read.keys()]).toEqual(names);
  for (const { type, bytes } of read.values()) {
    expect(type).toEqual(array.type);
    expect([...bytes]).toEqual([...array.bytes]);
  }
});

it.each(["x.npy", "x.npz", "x.safetensors"])(
  "refuses to write a dtype that there is not to %s",
  async (file) => {
    const type = { dtype: "float", shape: [2] } as unknown as FileArray["type"];
    const one = new Map([["a", { type, bytes: array.bytes }]]);
    await expect(writeTensors(join(folder, file), one)).rejects.toMatchObject({
      code: "file_malformed",
      message: expect.stringContaining('the dtype is "float" (expected one of bool, uint8,'),
    });
  },
);

it("refuses other suffixes, and two tensors in one .npy", async () => {
  const two = new Map([
    ["a", array],
    ["b", array],
  ]);
  await expect(readTensors("x.csv")).rejects.toMatchObject({
    code: "file_name_unknown",
    path: "x.csv",
  });
  await expect(writeTensors("x", two)).rejects.toMatchObject({ code: "file_name_unknown" });
  await expect(writeTensors(join(folder, "x.npy"), two)).rejects.toMatchObject({
    code: "file_name_unknown",
    expected: "a name that ends in .npz or .safetensors",
  });
});
