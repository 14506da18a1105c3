import { writeFile } from "node:fs/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { FileError } from "../../../src/files/error.js";
import { NeedsMore } from "../../../src/files/gguf/beginning.js";
import { openGguf, openGgufSync, parseGguf } from "../../../src/files/gguf/index.js";
import {
  type GgufFile,
  ggufFile,
  list,
  type MetadataValue,
  value,
} from "../../support/gguf-file.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { codeOf } from "../support.js";

const at = temporaryFolder();

const parse = (bytes: Uint8Array) => parseGguf(bytes, bytes.length, "x.gguf");
const f32 = (...shape: number[]) => ({
  shape,
  kind: 0,
  bytes: new Uint8Array(4 * shape.reduce((product, size) => product * size, 1)),
});

it.each([2, 3])("reads every kind of metadata, version %i", (version) => {
  const metadata: Record<string, MetadataValue> = {
    uint8: value("uint8", 255),
    int8: value("int8", -128),
    uint16: value("uint16", 65535),
    int16: value("int16", -32768),
    uint32: value("uint32", 4294967295),
    int32: value("int32", -2147483648),
    float32: value("float32", 0.5),
    true: value("bool", 1),
    false: value("bool", 0),
    text: value("string", "Größe ✓"),
    uint64: value("uint64", 2n ** 64n - 1n),
    small: value("uint64", 2n ** 53n - 1n),
    int64: value("int64", -(2n ** 63n)),
    float64: value("float64", 1e300),
    empty: list([]),
    tokens: list([value("string", "a"), value("string", "")]),
    nested: list([list([value("int8", -1)]), list([value("bool", 1), value("bool", 0)])]),
  };
  const read = parse(ggufFile({ version, metadata }));
  expect(read.version).toBe(version);
  expect(Object.fromEntries(read.metadata)).toEqual({
    ...{ uint8: 255, int8: -128, uint16: 65535, int16: -32768 },
    ...{ uint32: 4294967295, int32: -2147483648, float32: 0.5, true: true, false: false },
    ...{ text: "Größe ✓", uint64: 2n ** 64n - 1n, small: 2 ** 53 - 1, int64: -(2n ** 63n) },
    ...{ float64: 1e300, empty: [], tokens: ["a", ""], nested: [[-1], [true, false]] },
  });
});

it("finds tensors at the file's own alignment", () => {
  const tensors = { a: f32(3), b: f32(2, 3), scalar: f32() };
  const metadata = { "general.alignment": value("uint32", 64) };
  const read = parse(ggufFile({ metadata, tensors, alignment: 64 }));
  const [a, b, scalar] = [...read.tensors.values()];
  expect([a?.type.shape, b?.type.shape, scalar?.type.shape]).toEqual([[3], [2, 3], []]);
  expect((a?.source.offset ?? 1) % 64).toBe(0);
  expect((b?.source.offset ?? 0) - (a?.source.offset ?? 0)).toBe(64);
});

it("reads a header that is longer than the first piece read", async () => {
  const tokens = list(Array.from({ length: 200_000 }, (_, n) => value("string", `token ${n}`)));
  await writeFile(at("x.gguf"), ggufFile({ metadata: { tokens }, tensors: { a: f32(2) } }));
  for (const gguf of [await openGguf(at("x.gguf")), openGgufSync(at("x.gguf"))]) {
    expect((gguf.metadata.get("tokens") as string[])[199_999]).toBe("token 199999");
    expect([...gguf.tensors.keys()]).toEqual(["a"]);
  }
});

const u8 = (number: number, ...rest: number[]): MetadataValue => ({
  kind: number,
  bytes: Uint8Array.of(...rest),
});
const repeated = <T>(item: T): [string, T][] => [
  ["a", item],
  ["a", item],
];

it.each<[string, GgufFile | Uint8Array, string]>([
  ["an empty file", new Uint8Array(), "file_truncated"],
  ["another file", Buffer.from("a text that is long enough"), "file_malformed"],
  ["version 1", { version: 1 }, "file_malformed"],
  ["version 4", { version: 4 }, "file_malformed"],
  ["big-endian numbers", { version: 3 << 24 }, "file_malformed"],
  ["a key twice", { metadata: repeated(value("uint8", 1)) }, "file_malformed"],
  ["a name twice", { tensors: repeated(f32(1)) }, "file_malformed"],
  ["a kind of metadata that is not there", { metadata: { a: u8(13, 0) } }, "file_malformed"],
  ["a list of such a kind", { metadata: { a: list([], 99) } }, "file_malformed"],
  [
    "an alignment of 0",
    { metadata: { "general.alignment": value("uint32", 0) } },
    "file_malformed",
  ],
  [
    "an alignment as text",
    { metadata: { "general.alignment": value("string", "8") } },
    "file_malformed",
  ],
  ["five axes", { tensors: { a: f32(1, 1, 1, 1, 1) } }, "file_malformed"],
  ["an offset that is not aligned", { tensors: { a: { ...f32(1), offset: 4 } } }, "file_malformed"],
  ["a tensor beyond the end", { tensors: { a: { ...f32(9), offset: 3200 } } }, "file_truncated"],
  [
    "a tensor too long",
    { tensors: { a: { ...f32(9), bytes: new Uint8Array(4) } } },
    "file_truncated",
  ],
  [
    "an offset of 2^64 - 32",
    { tensors: { a: { ...f32(9), offset: 2 ** 64 - 4096 } } },
    "file_truncated",
  ],
])("refuses %s", (_, file, code) => {
  const bytes = file instanceof Uint8Array ? file : ggufFile(file);
  expect(codeOf(() => parse(bytes))).toBe(code);
});

it("refuses counts that the file has no room for, before it makes room for them", () => {
  const bytes = ggufFile({ metadata: { a: list([value("uint8", 1)]) } });
  for (const at of [8, 16, 24, 41]) {
    const broken = Buffer.from(bytes);
    broken.writeBigUInt64LE(2n ** 60n, at);
    expect(codeOf(() => parse(broken))).toBe("file_truncated");
  }
});

it("refuses lists in lists without end", () => {
  let nested = list([value("uint8", 1)]);
  for (let depth = 0; depth < 9; depth++) nested = list([nested]);
  expect(() => parse(ggufFile({ metadata: { nested } }))).toThrow(/9 deep .*at most 8/);
});

it.each([
  [
    "an unknown kind",
    { shape: [32], kind: 16, bytes: new Uint8Array(32) },
    "file_dtype_unsupported",
    /IQ2_XXS/,
  ],
  [
    "a number that is no kind",
    { shape: [32], kind: 4, bytes: new Uint8Array(32) },
    "file_dtype_unsupported",
    /kind 4 /,
  ],
  [
    "rows of a part of a block",
    { shape: [2, 16], kind: 2, bytes: new Uint8Array(18) },
    "file_malformed",
    /rows have 16 .*32/,
  ],
  [
    "an impossible size",
    { shape: [2 ** 40], kind: 0, bytes: new Uint8Array(4) },
    "file_malformed",
    /shape \[1099511627776\]/,
  ],
])("%s is a fault of that tensor only", (_, bad, code, message) => {
  const read = parse(ggufFile({ tensors: { bad, good: f32(2) } }));
  expect([...read.tensors.keys()]).toEqual(["bad", "good"]);
  expect(codeOf(() => read.tensors.get("bad"))).toBe(code);
  expect(() => read.tensors.get("bad")).toThrow(message);
  expect(() => read.tensors.get("bad")).toThrow(/^x\.gguf:bad: /);
  expect(read.tensors.get("good")?.type).toEqual({ dtype: "float32", shape: [2] });
});

it("asks for more where the file is longer than the bytes, and refuses where it is not", () => {
  const metadata = { a: list([value("string", "text"), value("string", "more")]) };
  const bytes = ggufFile({ metadata, tensors: { a: f32(2) } });
  const afterHeader = 32 + 31; // the tensor, and what aligns it
  for (let length = 0; length < bytes.length - afterHeader; length++) {
    const part = bytes.subarray(0, length);
    expect(() => parseGguf(part, bytes.length, "x.gguf")).toThrow(NeedsMore);
    expect(codeOf(() => parse(part))).toBe("file_truncated");
  }
});

it("answers any change of a byte with tensors inside the file or a FileError", () => {
  const metadata = { "general.alignment": value("uint32", 32), a: list([value("string", "x")]) };
  const q4 = { shape: [2, 32], kind: 3, bytes: new Uint8Array(40) };
  const good = ggufFile({ metadata, tensors: { a: f32(3), "b.weight": q4 } });
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const bytes = Uint8Array.from(good);
      bytes[at] = byte;
      try {
        for (const name of parse(bytes).tensors.keys()) {
          try {
            const source = parse(bytes).tensors.get(name)?.source;
            expect((source?.offset ?? 0) + (source?.byteLength ?? 0)).toBeLessThanOrEqual(
              bytes.length,
            );
          } catch (error) {
            expect(error).toBeInstanceOf(FileError);
          }
        }
      } catch (error) {
        expect(error).toBeInstanceOf(FileError);
      }
    }),
    { numRuns: 2000 },
  );
});
