import { truncate, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { type FileArray, openGguf, readGgufTensor, readTensors } from "../../../src/files/index.js";
import { float16ToFloat32 } from "../../../src/tensor/half.js";
import { type GgufEntry, ggufFile } from "../../support/gguf-file.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
// Blocks of random bytes, and what the package `gguf` of llama.cpp (0.17.1) says they are.
import golden from "./golden.json" with { type: "json" };

const at = temporaryFolder();

const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"));
const halves = ({ bytes }: FileArray) =>
  float16ToFloat32(new Uint16Array(Uint8Array.from(bytes).buffer));

/** Writes a file of one tensor and reads it. */
async function read(entry: GgufEntry) {
  await writeFile(at("x.gguf"), ggufFile({ tensors: { "a.weight": entry } }));
  const tensors = await readTensors(at("x.gguf"));
  return (name: string) => tensors.get(name) as FileArray;
}

/** The elements of a packed weight, by the definition of MLX's affine quantization. */
function unpack(weight: FileArray, scales: FileArray, biases: FileArray): number[] {
  const groups = halves(scales);
  const offsets = halves(biases);
  const bits = (weight.bytes.length * 8) / (groups.length * 32);
  return Array.from({ length: groups.length * 32 }, (_, index) => {
    const byte = weight.bytes[Math.floor((index * bits) / 8)] as number;
    const q = bits === 8 ? byte : (byte >> ((index & 1) * 4)) & 15;
    const group = index >> 5;
    return (groups[group] as number) * q + (offsets[group] as number);
  });
}

const cases = Object.entries(golden).map(([name, given]) => {
  const values = new Float32Array(bytesOf(given.values).buffer);
  const entry = { shape: [2, values.length / 2], kind: given.kind, bytes: bytesOf(given.blocks) };
  return { name, values, entry };
});
const PACKED = /^Q(4_0|4_1|8_0|4_K)$/;

it.each(cases.filter(({ name }) => PACKED.test(name)))(
  "$name is packed without a change of its numbers",
  async ({ entry, values }) => {
    const tensor = await read(entry);
    const bits = tensor("a.weight").bytes.length / values.length === 1 ? 8 : 4;
    const columns = values.length / 2;
    expect(tensor("a.weight").type).toEqual({
      dtype: "uint32",
      shape: [2, (columns * bits) / 32],
    });
    const groups = { dtype: "float16", shape: [2, columns / 32] };
    expect(tensor("a.scales").type).toEqual(groups);
    expect(tensor("a.biases").type).toEqual(groups);
    const unpacked = unpack(tensor("a.weight"), tensor("a.scales"), tensor("a.biases"));
    // A scale of Q4_K is rounded to float16; those of the others are in the file.
    const largest = Math.max(...values.map(Math.abs));
    unpacked.forEach((element, index) => {
      expect(Math.abs(element - (values[index] as number))).toBeLessThan(largest * 2 ** -10);
    });
  },
);

it.each(cases.filter(({ name }) => !PACKED.test(name)))(
  "$name is read as the float16 numbers nearest to its elements",
  async ({ entry, values }) => {
    const tensor = (await read(entry))("a.weight");
    expect(tensor.type).toEqual({ dtype: "float16", shape: entry.shape });
    halves(tensor).forEach((element, index) => {
      const exact = values[index] as number;
      expect(Math.abs(element - exact)).toBeLessThanOrEqual(Math.abs(exact) * 2 ** -11 + 2 ** -25);
    });
  },
);

it("Q8_K is a float32 scale and signed bytes", async () => {
  const bytes = new Uint8Array(292);
  new DataView(bytes.buffer).setFloat32(0, 0.5, true);
  bytes.set([1, 255, 128, 127], 4);
  const tensor = (await read({ shape: [256], kind: 15, bytes }))("a.weight");
  expect([...halves(tensor).subarray(0, 5)]).toEqual([0.5, -0.5, -64, 63.5, 0]);
});

it.each([
  ["float32", 0, 4],
  ["float16", 1, 2],
  ["int8", 24, 1],
  ["int16", 25, 2],
  ["int32", 26, 4],
  ["int64", 27, 8],
  ["float64", 28, 8],
  ["bfloat16", 30, 2],
])("%s is read as it is", async (dtype, kind, item) => {
  const bytes = Uint8Array.from({ length: 6 * item }, (_, index) => index * 37);
  const tensor = (await read({ shape: [3, 2], kind, bytes }))("a.weight");
  expect(tensor.type).toEqual({ dtype, shape: [3, 2] });
  expect([...tensor.bytes]).toEqual([...bytes]);
});

it("reads one tensor of an opened file, and tells of one that is not there", async () => {
  const [{ entry }] = cases as [(typeof cases)[number]];
  await writeFile(at("x.gguf"), ggufFile({ tensors: { "a.weight": entry, b: entry } }));
  const opened = await openGguf(at("x.gguf"));
  expect([...opened.tensors.keys()]).toEqual([
    ...["a.weight", "a.scales", "a.biases"],
    ...["b", "b.scales", "b.biases"],
  ]);
  const all = await readTensors(at("x.gguf"));
  for (const name of opened.tensors.keys()) {
    expect(await readGgufTensor(opened, name)).toEqual(all.get(name));
  }
  await expect(readGgufTensor(opened, "c")).rejects.toMatchObject({ code: "file_missing" });
  await truncate(at("x.gguf"), (opened.tensors.get("b")?.source.offset ?? 0) + 4);
  await expect(readGgufTensor(opened, "b")).rejects.toMatchObject({ code: "file_truncated" });
});
