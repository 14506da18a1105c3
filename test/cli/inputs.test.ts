import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseInputs, resolveInputs } from "../../src/cli/inputs.js";
import { type FileArray, writeTensors } from "../../src/files/index.js";
import type { TensorType } from "../../src/tensor/dtype.js";

const f32: TensorType = { dtype: "float32", shape: [2] };
const i32: TensorType = { dtype: "int32", shape: [] };
const floats: FileArray = { type: f32, bytes: new Uint8Array(Float32Array.of(1, 2).buffer) };
const integer: FileArray = { type: i32, bytes: Uint8Array.of(7, 0, 0, 0) };

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-inputs-"));
  await writeTensors(at("f.npy"), new Map([["value", floats]]));
  const both = new Map([
    ["0", floats],
    ["i", integer],
  ]);
  await writeTensors(at("both.npz"), both);
  await writeTensors(at("both.safetensors"), both);
});
afterAll(() => rm(folder, { recursive: true }));

it("gives named inputs their parameter and the others the free ones in order", () => {
  const specs = parseInputs(["a.npy", "0=b.npz:x=y", "%2=c.npy", "d.safetensors:t:u"], 4);
  expect(specs).toEqual([
    { parameter: 1, path: "a.npy", member: undefined },
    { parameter: 0, path: "b.npz", member: "x=y" },
    { parameter: 2, path: "c.npy", member: undefined },
    { parameter: 3, path: "d.safetensors", member: "t:u" },
  ]);
});

it.each([
  [["x=a.npy"], 'there is no parameter "x": the graph has 0 to 1'],
  [["2=a.npy"], 'there is no parameter "2": the graph has 0 to 1'],
  [["0=a.npy", "%0=b.npy"], "parameter 0 was given twice"],
  [["a.npy", "b.npy", "c.npy"], "too many inputs: the graph has 2 parameters"],
])("refuses %j", (inputs, message) => {
  expect(() => parseInputs(inputs, 2)).toThrow(message);
});

it("reads .npy and .npz, and leaves .safetensors to the engine", async () => {
  const [a, b] = await resolveInputs([at("both.npz"), `${at("both.safetensors")}:i`], [f32, i32]);
  expect(a).toEqual({ kind: "array", array: { type: f32, bytes: expect.anything() } });
  expect(b).toMatchObject({ kind: "range", path: at("both.safetensors"), range: { type: i32 } });
  const [c] = await resolveInputs([at("f.npy")], [f32]);
  expect(c).toMatchObject({ kind: "array", array: { type: f32 } });
});

it.each([
  [["f.npy"], [i32], "file_type", /it holds float32\[2\] \(expected int32\[\] for parameter 0\)/],
  [["both.npz:x"], [f32], "file_not_found", /no tensor "x" \(expected one of 0, i/],
  [["both.npz"], [i32, i32], "file_type", /both.npz: it holds float32/],
  [["both.safetensors", "both.safetensors"], [f32, f32], "file_not_found", /several tensors/],
  [["missing.npy"], [f32], "file_not_found", /no such file/],
])("refuses %j", async (files, parameters, code, message) => {
  await expect(resolveInputs(files.map(at), parameters)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

it("names a parameter without a value", async () => {
  await expect(resolveInputs([], [f32])).rejects.toThrow(
    "parameter 0 has no value: --input 0=FILE with float32[2]",
  );
});
