import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FileArray } from "../../src/files/array.js";
import { FileError } from "../../src/files/error.js";
import {
  headerLength,
  openSafetensors,
  parseSafetensors,
  readSafetensor,
  writeSafetensors,
} from "../../src/files/safetensors.js";
import { arrays, codeOf } from "./support.js";

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-safetensors-"));
  path = join(folder, "x.safetensors");
});
afterAll(() => rm(folder, { recursive: true }));

/** Parses a header given as a value or as text, for a file with this many bytes of data. */
function parse(header: unknown, dataBytes: number) {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  return parseSafetensors(text, 8 + text.length + dataBytes, "bad.safetensors");
}

const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

it("gives back what was written", async () => {
  const name = fc.string({ maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, arrays(), { maxKeys: 5 }), async (tensors) => {
      const written = new Map(Object.entries(tensors));
      await writeSafetensors(path, written, new Map([["format", "mlx"]]));
      const opened = await openSafetensors(path);
      expect([...opened.tensors.keys()].sort()).toEqual([...written.keys()].sort());
      expect(opened.metadata.get("format")).toBe("mlx");
      for (const [key, array] of written) {
        const read = await readSafetensor(opened, key);
        expect(read.type).toEqual(array.type);
        expect([...read.bytes]).toEqual([...array.bytes]);
      }
    }),
    { numRuns: 60 },
  );
});

it("aligns every tensor to its elements", async () => {
  await writeSafetensors(
    path,
    new Map([
      ["a", { type: { dtype: "uint8", shape: [3] } as const, bytes: new Uint8Array(3) }],
      ["b", { type: { dtype: "float64", shape: [1] } as const, bytes: new Uint8Array(8) }],
      ["c", { type: { dtype: "bfloat16", shape: [1] } as const, bytes: new Uint8Array(2) }],
    ]),
  );
  const { tensors } = await openSafetensors(path);
  expect([...tensors.keys()]).toEqual(["b", "c", "a"]);
  expect((tensors.get("b")?.offset ?? 1) % 8).toBe(0);
});

it("reads a file written elsewhere", async () => {
  const header =
    '{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}  ';
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.of(1, 2, 3, 4)]));
  const opened = await openSafetensors(path);
  const offset = 8 + header.length;
  expect(opened.tensors.get("w")).toEqual({ type: { dtype: "bfloat16", shape: [2] }, offset });
  expect([...(await readSafetensor(opened, "w")).bytes]).toEqual([1, 2, 3, 4]);
});

it.each([
  ["no JSON", "{", 0, "file_malformed"],
  ["a list", "[]", 0, "file_malformed"],
  ["null", "null", 0, "file_malformed"],
  ["an entry that is null", { a: null }, 0, "file_malformed"],
  ["an entry without fields", { a: {} }, 0, "file_malformed"],
  ["metadata that is a list", { __metadata__: [] }, 0, "file_malformed"],
  ["a negative size", { a: f32(0, 4, [-1]) }, 4, "file_malformed"],
  ["a fractional size", { a: f32(0, 4, [0.5]) }, 4, "file_malformed"],
  ["a size as text", { a: f32(0, 4, ["1"]) }, 4, "file_malformed"],
  ["a range backwards", { a: f32(4, 0) }, 4, "file_malformed"],
  ["a range of the wrong length", { a: f32(0, 8, [1]) }, 8, "file_malformed"],
  ["three offsets", { a: { ...f32(0, 4), data_offsets: [0, 4, 8] } }, 8, "file_malformed"],
  ["ranges that overlap", { a: f32(0, 8), b: f32(4, 12) }, 12, "file_malformed"],
  ["the same range twice", { a: f32(0, 8), b: f32(0, 8) }, 8, "file_malformed"],
  ["a gap", { a: f32(0, 4), b: f32(8, 12) }, 12, "file_malformed"],
  ["a range beyond the file", { a: f32(0, 400) }, 4, "file_truncated"],
  ["bytes that belong to nobody", { a: f32(0, 4) }, 8, "file_malformed"],
])("refuses %s", (_, header, dataBytes, code) => {
  expect(codeOf(() => parse(header, dataBytes))).toBe(code);
});

it.each([
  ["F8_E4M3", [4], "file_dtype_unsupported"],
  ["F4", [8], "file_dtype_unsupported"],
  ["constructor", [1], "file_dtype_unsupported"],
  [7, [1], "file_dtype_unsupported"],
  ["F32", [2 ** 40], "file_malformed"],
  ["F32", [2 ** 30, 2 ** 30], "file_malformed"],
])(
  "refuses a tensor of %s %j when it is asked for; the others can be read",
  (dtype, shape, code) => {
    const bad = { dtype, shape, data_offsets: [0, 4] };
    const { tensors } = parse({ bad, good: f32(4, 8) }, 8);
    expect([...tensors.keys()]).toEqual(["bad", "good"]);
    expect(codeOf(() => tensors.get("bad"))).toBe(code);
    expect(() => tensors.get("bad")).toThrow(/^bad.safetensors:bad: /);
    expect(tensors.get("good")?.type).toEqual({ dtype: "float32", shape: [1] });
  },
);

it("reads 8-bit floats as their bits where that is asked for", () => {
  const kinds = ["F8_E4M3", "F8_E5M2", "F8_E8M0"];
  const header = Object.fromEntries(
    kinds.map((dtype, n) => [dtype, { dtype, shape: [2], data_offsets: [2 * n, 2 * n + 2] }]),
  );
  expect(() => parse(header, 6).tensors.get("F8_E8M0")).toThrow('{ float8: "bits" }');
  const text = Buffer.from(JSON.stringify(header));
  const { tensors } = parseSafetensors(text, 8 + text.length + 6, "x", { float8: "bits" });
  for (const [, { type }] of tensors) expect(type).toEqual({ dtype: "uint8", shape: [2] });
});

it("takes metadata that is null for none", () => {
  const { metadata, tensors } = parse({ __metadata__: null, a: f32(0, 4) }, 4);
  expect([metadata.size, tensors.size]).toEqual([0, 1]);
});

it("reads any byte of a boolean but 0 as true", async () => {
  const bools: FileArray = { type: { dtype: "bool", shape: [3] }, bytes: Uint8Array.of(0, 2, 255) };
  await writeSafetensors(path, new Map([["a", bools]]));
  const { bytes } = await readSafetensor(await openSafetensors(path), "a");
  expect([...bytes]).toEqual([0, 1, 1]);
});

it("refuses text that is not UTF-8", () => {
  const header = Buffer.from('{"__metadata__":{"a":"\xff"}}', "latin1");
  const parsed = () => parseSafetensors(header, 8 + header.length, "bad.safetensors");
  expect(codeOf(parsed)).toBe("file_malformed");
});

it("takes names that objects have by themselves", () => {
  const header = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  expect([...parse(header, 1).tensors.keys()]).toEqual(["__proto__"]);
});

it("refuses header lengths that cannot be", () => {
  const bytes = (length: bigint) => {
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(length);
    return start;
  };
  expect(codeOf(() => headerLength(bytes(2n ** 63n), 100, "x"))).toBe("file_malformed");
  expect(codeOf(() => headerLength(bytes(93n), 100, "x"))).toBe("file_truncated");
  expect(codeOf(() => headerLength(Buffer.alloc(7), 7, "x"))).toBe("file_truncated");
  expect(headerLength(bytes(92n), 100, "x")).toBe(92);
});

it("tells of tensors that are not there, and of a file that shrank", async () => {
  const tensor = { type: { dtype: "int8", shape: [4] } as const, bytes: new Uint8Array(4) };
  await writeSafetensors(path, new Map([["a", tensor]]));
  const opened = await openSafetensors(path);
  await expect(readSafetensor(opened, "b")).rejects.toThrow(/no tensor "b" \(expected one of a\)/);
  await truncate(path, (opened.tensors.get("a")?.offset ?? 0) + 2);
  await expect(readSafetensor(opened, "a")).rejects.toMatchObject({ code: "file_truncated" });
  await expect(openSafetensors(path)).rejects.toMatchObject({ code: "file_truncated" });
  await expect(openSafetensors(folder)).rejects.toMatchObject({ code: "file_unreadable" });
});

it("answers any header with tensors inside the file or a FileError", () => {
  const size = fc.oneof(fc.nat(20), fc.double(), fc.integer(), fc.string());
  const entry = fc.record(
    {
      dtype: fc.constantFrom("F32", "U8", "F64", "X", 1, null),
      shape: fc.oneof(fc.array(size, { maxLength: 3 }), fc.jsonValue()),
      data_offsets: fc.oneof(fc.tuple(size, size), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const header = fc.oneof(fc.dictionary(fc.string(), entry, { maxKeys: 3 }), fc.jsonValue());
  fc.assert(
    fc.property(header, fc.nat(40), (value, dataBytes) => {
      try {
        const { tensors } = parse(JSON.stringify(value), dataBytes);
        expect(tensors.size).toBeLessThanOrEqual(3);
      } catch (error) {
        expect(error).toBeInstanceOf(FileError);
      }
    }),
    { numRuns: 1000 },
  );
});
