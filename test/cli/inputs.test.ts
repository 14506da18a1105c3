import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseInput, resolveInputs } from "../../src/cli/inputs.js";
import { findParameter, type Parameter } from "../../src/cli/parameters.js";
import { encodeNpy, type FileArray, writeTensors } from "../../src/files/index.js";
import type { TensorType } from "../../src/tensor/dtype.js";

const f32: TensorType = { dtype: "float32", shape: [2] };
const i32: TensorType = { dtype: "int32", shape: [] };
const floats: FileArray = { type: f32, bytes: new Uint8Array(Float32Array.of(1, 2).buffer) };
const integer: FileArray = { type: i32, bytes: Uint8Array.of(7, 0, 0, 0) };
const other: FileArray = { type: f32, bytes: new Uint8Array(Float32Array.of(3, 4).buffer) };

const unnamed = (...types: TensorType[]): Parameter[] =>
  types.map((type, index) => ({ index, type }));
const named = (names: Record<string, TensorType>): Parameter[] =>
  Object.entries(names).map(([name, type], index) => ({ index, name, type }));

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-inputs-"));
  await writeTensors(at("f.npy"), new Map([["value", floats]]));
  await writeTensors(at("i.npy"), new Map([["value", integer]]));
  const both = new Map([
    ["0", floats],
    ["i", integer],
  ]);
  await writeTensors(at("both.npz"), both);
  await writeTensors(at("both.safetensors"), both);
  const xy = new Map([
    ["y", other],
    ["x", floats],
    ["unused", integer],
  ]);
  await writeTensors(at("xy.npz"), xy);
  await writeTensors(at("xy.safetensors"), xy);
  await writeTensors(at("y.npz"), new Map([["y", other]]));
});
afterAll(() => rm(folder, { recursive: true }));

/** The arrays that the parameters get. */
const resolve = async (inputs: string[], parameters: Parameter[]) =>
  (await resolveInputs(inputs, parameters)).map((source) => {
    if (source.kind !== "array") throw new Error("a range of a file was given");
    return { type: source.array.type, bytes: Uint8Array.from(source.array.bytes) };
  });

describe("an input", () => {
  it.each([
    ["a.npy", undefined, "a.npy", undefined],
    ["0=b.npz:x=y", 0, "b.npz", "x=y"],
    ["%2=c.npy", 2, "c.npy", undefined],
    ["d.safetensors:t:u", undefined, "d.safetensors", "t:u"],
  ])("%s is taken apart", (input, number, path, member) => {
    const parameters = unnamed(f32, f32, f32);
    const parameter = number === undefined ? undefined : parameters[number];
    expect(parseInput(input, parameters)).toEqual({ parameter, path, member });
  });

  it("may have a path with =", async () => {
    const parameters = named({ x: f32, lr: f32 });
    const [x, lr] = parameters;
    await mkdir(at("a=0.1"));
    await writeTensors(at("a=0.1/x.npz"), new Map([["x", floats]]));
    const file = at("a=0.1/x.npz");
    expect(file).not.toMatch(/^[^/]*=/);
    const parsed = (input: string) => parseInput(input, parameters);
    expect(parsed(file)).toEqual({ path: file, member: undefined });
    expect(parsed(`${file}:x=y`)).toEqual({ path: file, member: "x=y" });
    expect(parsed(`x=${file}:x`)).toEqual({ parameter: x, path: file, member: "x" });
    expect(parsed("x=lr=0.1/x.npy")).toEqual({ parameter: x, path: "lr=0.1/x.npy" });
    // A parameter's name goes before a path.
    expect(parsed("lr=0.1/x.npy")).toEqual({ parameter: lr, path: "0.1/x.npy" });
    expect(parsed("./lr=0.1/x.npy")).toEqual({ path: "./lr=0.1/x.npy" });
    expect(() => parsed("y=0.1/x.npy")).toThrow('there is no parameter "y"');
  });

  it("may be a relative path with = that is there", async () => {
    const file = `package=${process.pid}.npy`;
    await writeTensors(file, new Map([["value", floats]]));
    try {
      expect(parseInput(file, named({ x: f32 }))).toEqual({ path: file });
    } finally {
      await rm(file);
    }
  });

  it("goes by name before it goes by number", () => {
    const parameters = named({ x: f32, "w.0": f32, größe: f32 }).concat({
      index: 3,
      name: "0",
      type: f32,
    });
    const index = (text: string) => findParameter(text, parameters).index;
    expect(["x", "w.0", "größe", "0", "%0", "1", "%3"].map(index)).toEqual([0, 1, 2, 3, 0, 1, 3]);
  });
});

it.each([
  [[f32, i32], "x", 'there is no parameter "x": the graph has 0 to 1, and they have no names'],
  [[f32, i32], "2", 'there is no parameter "2": the graph has 0 to 1, and they have no names'],
  [[], "x", 'there is no parameter "x": the graph has none'],
])("of %j there is no %s", (types, text, message) => {
  expect(() => findParameter(text, unnamed(...types))).toThrow(message);
});

it("lists the names that there are", () => {
  const parameters = named({ ids: i32, "attention mask": f32 });
  expect(() => findParameter("id", parameters)).toThrow(
    /^there is no parameter "id": the graph has ids, "attention mask"$/,
  );
  const many = named(Object.fromEntries(Array.from({ length: 22 }, (_, n) => [`w${n}x`, f32])));
  expect(() => findParameter("7", many.slice(0, 3))).toThrow(/the graph has w0x, w1x, w2x$/);
  expect(() => findParameter("w20", many)).toThrow(/, w19x and 2 more; did you mean w2x\?$/);
  expect(() => findParameter("nothing", many)).toThrow(/: the graph has w0x, .*, w19x and 2 more$/);
});

it("uses what can be used of a file", async () => {
  const strings = Buffer.concat([
    encodeNpy(floats).subarray(0, 10),
    Buffer.from(`${"{'descr': '<U3', 'fortran_order': False, 'shape': ()}".padEnd(117)}\n`),
    new Uint8Array(12),
  ]);
  strings.writeUInt16LE(118, 8);
  const archive = zipSync({ "labels.npy": strings, "x.npy": encodeNpy(floats) });
  await writeFile(at("mixed.npz"), archive);
  const parameters = named({ x: f32 });
  expect(await resolve([at("mixed.npz")], parameters)).toEqual([floats]);
  await expect(resolve([`${at("mixed.npz")}:labels`], parameters)).rejects.toThrow(
    /mixed.npz:labels: elements of type '<U3'|MLX has no elements of type '<U3'/,
  );
});

it("gives inputs with a number their parameter and the others the free ones in order", async () => {
  const parameters = unnamed(f32, i32, i32, f32);
  const inputs = [at("i.npy"), `0=${at("f.npy")}`, `%2=${at("i.npy")}`, `${at("xy.npz")}:y`];
  expect(await resolve(inputs, parameters)).toEqual([floats, integer, integer, other]);
});

it("gives inputs their parameter by name", async () => {
  const parameters = named({ x: f32, y: f32, n: i32 });
  const inputs = [`y=${at("xy.npz")}:x`, at("f.npy"), `n=${at("i.npy")}`];
  expect(await resolve(inputs, parameters)).toEqual([floats, floats, integer]);
  // Of several tensors the one named like the parameter.
  const more = [`y=${at("xy.npz")}`, `x=${at("xy.npz")}`, `2=${at("both.npz")}:i`];
  expect(await resolve(more, parameters)).toEqual([floats, other, integer]);
});

describe("a file alone", () => {
  const parameters = named({ x: f32, n: i32, y: f32 });

  it("fills the parameters that its tensors are named like; the other files are in order", async () => {
    expect(await resolve([at("i.npy"), at("xy.npz")], parameters)).toEqual([
      floats,
      integer,
      other,
    ]);
    const [x, n, y] = await resolveInputs([at("xy.safetensors"), at("i.npy")], parameters);
    expect(x).toMatchObject({ kind: "range", path: at("xy.safetensors"), range: { type: f32 } });
    expect(n).toMatchObject({ kind: "array" });
    expect(y).not.toEqual(x);
  });

  it("leaves parameters alone that have an input of their own", async () => {
    const inputs = [at("xy.npz"), `x=${at("y.npz")}`, `1=${at("i.npy")}`];
    expect(await resolve(inputs, parameters)).toEqual([other, integer, other]);
  });

  it("is for the next parameter where nothing is named like one, as a .npy file always is", async () => {
    const value = named({ n: i32, value: f32 });
    expect(await resolve([at("i.npy"), at("y.npz")], value)).toEqual([integer, other]);
    expect(await resolve([at("xy.npz:y")], named({ x: f32 }))).toEqual([other]);
  });

  it("is refused where another one has given the value already", async () => {
    await expect(resolveInputs([at("xy.npz"), at("y.npz")], parameters)).rejects.toThrow(
      'parameter 2 "y" was given twice',
    );
  });
});

it.each([
  [["0=a.npy", "%0=b.npy"], "parameter 0 was given twice"],
  [["f.npy", "f.npy", "f.npy"], "too many inputs: the graph has 2 parameters"],
])("refuses %j", async (inputs, message) => {
  const paths = inputs.map((input) => (input.includes("=") ? input : at(input)));
  await expect(resolveInputs(paths, unnamed(f32, f32))).rejects.toThrow(message);
});

it("reads .npy and .npz, and leaves .safetensors to the engine", async () => {
  const inputs = [at("both.npz"), `${at("both.safetensors")}:i`];
  const [a, b] = await resolveInputs(inputs, unnamed(f32, i32));
  expect(a).toEqual({ kind: "array", array: { type: f32, bytes: expect.anything() } });
  expect(b).toMatchObject({ kind: "range", path: at("both.safetensors"), range: { type: i32 } });
  const [c] = await resolveInputs([at("f.npy")], unnamed(f32));
  expect(c).toMatchObject({ kind: "array", array: { type: f32 } });
});

it.each([
  [
    ["f.npy"],
    [i32],
    "file_type_invalid",
    /f.npy: it holds float32\[2\] \(expected int32\[\] for parameter 0\)/,
  ],
  [["both.npz:x"], [f32], "file_missing", /no tensor "x" \(expected one of 0, i/],
  [["both.npz"], [i32, i32], "file_type_invalid", /both.npz:0: it holds float32/],
  [["both.safetensors", "both.safetensors"], [f32, f32], "file_missing", /several tensors/],
  [["missing.npy"], [f32], "file_missing", /no such file/],
])("refuses %j", async (files, types, code, message) => {
  await expect(resolveInputs(files.map(at), unnamed(...types))).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

it("names a parameter without a value, or with one of another type", async () => {
  await expect(resolveInputs([], unnamed(f32))).rejects.toThrow(
    "parameter 0 has no value: --input 0=FILE with float32[2]",
  );
  await expect(resolveInputs([], named({ "w.x": f32 }))).rejects.toThrow(
    'parameter 0 "w.x" has no value: --input w.x=FILE with float32[2]',
  );
  await expect(resolveInputs([], named({ "w x": f32 }))).rejects.toThrow(
    'parameter 0 "w x" has no value: --input 0=FILE with float32[2]',
  );
  await expect(resolveInputs([at("xy.npz")], named({ y: i32 }))).rejects.toThrow(
    'xy.npz:y: it holds float32[2] (expected int32[] for parameter 0 "y")',
  );
});
