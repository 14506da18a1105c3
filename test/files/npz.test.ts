import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { zipSync } from "fflate";
import { expect, it } from "vitest";
import type { FileArray } from "../../src/files/array.js";
import { FileError } from "../../src/files/error.js";
import { encodeNpy } from "../../src/files/npy.js";
import { decodeNpz, encodeNpz, readNpz, writeNpz } from "../../src/files/npz.js";
import { arrays, codeOf, npyFile } from "./support.js";

const zeros: FileArray = { type: { dtype: "float32", shape: [100] }, bytes: new Uint8Array(400) };
const npy = encodeNpy(zeros);
const archive = (compress: boolean) =>
  encodeNpz(
    new Map([
      ["a", zeros],
      ["b", zeros],
    ]),
    "x.npz",
    compress,
  );

/** A copy of a file with other bytes at some place. */
function patched(file: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = file.slice();
  copy.set(bytes, at);
  return copy;
}

/** Where the n-th record with this signature starts. */
function find(file: Uint8Array, signature: number[], n = 0): number {
  let at = -1;
  for (let i = 0; i <= n; i++) at = Buffer.from(file).indexOf(Buffer.from(signature), at + 1);
  return at;
}
const CENTRAL = [0x50, 0x4b, 1, 2];

it.each([false, true])("gives back what was written, compressed: %s", (compress) => {
  const some = fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), arrays(), { maxKeys: 4 });
  fc.assert(
    fc.property(some, (members) => {
      const written = new Map(Object.entries(members));
      const read = decodeNpz(encodeNpz(written, "x.npz", compress), "x.npz");
      expect([...read.keys()].sort()).toEqual([...written.keys()].sort());
      for (const [name, { type, bytes }] of read) {
        expect(type).toEqual(written.get(name)?.type);
        expect([...bytes]).toEqual([...(written.get(name)?.bytes ?? [])]);
      }
    }),
  );
});

it("compresses", () => {
  expect(archive(true).length).toBeLessThan(archive(false).length / 2);
});

it("reads zip64 entries", () => {
  // The same archive, with the sizes of its one member moved into the 64-bit extra field.
  const plain = zipSync({ "a.npy": npy }, { level: 0 });
  const at = find(plain, CENTRAL);
  const nameEnd = at + 46 + 5;
  const extra = Buffer.alloc(4 + 24);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(24, 2);
  extra.writeBigUInt64LE(BigInt(npy.length), 4);
  extra.writeBigUInt64LE(BigInt(npy.length), 12);
  const wide = Buffer.concat([plain.subarray(0, nameEnd), extra, plain.subarray(nameEnd)]);
  wide.fill(0xff, at + 20, at + 28);
  wide.fill(0xff, at + 42, at + 46);
  wide.writeUInt16LE(28, at + 30);
  expect([...decodeNpz(wide, "x.npz").keys()]).toEqual(["a"]);
  wide.writeUInt16LE(16, nameEnd + 2); // the third value is missing
  expect(codeOf(() => decodeNpz(wide, "x.npz"))).toBe("file_malformed");
});

it.each([
  ["something else", Buffer.from("hello"), "file_malformed"],
  ["an empty file", new Uint8Array(), "file_malformed"],
  ["the first half", archive(false).slice(0, 500), "file_malformed"],
  [
    "a length beyond the file",
    patched(archive(false), find(archive(false), CENTRAL) + 20, 0, 0, 1),
    "file_truncated",
  ],
  [
    "a member out of place",
    patched(archive(false), find(archive(false), CENTRAL) + 42, 3),
    "file_malformed",
  ],
  [
    "two members over the same bytes",
    patched(archive(false), find(archive(false), CENTRAL, 1) + 42, 0, 0, 0, 0),
    "file_malformed",
  ],
  [
    "a directory that lies",
    patched(archive(false), archive(false).length - 12, 9),
    "file_malformed",
  ],
] as const)("refuses %s", (_, file, code) => {
  expect(codeOf(() => decodeNpz(file, "bad.npz"))).toBe(code);
});

const other = (content: Uint8Array) => zipSync({ "a.npy": content, "b.npy": npy }, { level: 0 });

it.each([
  ["a changed element", patched(archive(false), 300, 1), "file_malformed"],
  ["a changed compressed byte", patched(archive(true), 80, 0xff), "file_malformed"],
  [
    "an encrypted member",
    patched(archive(false), find(archive(false), CENTRAL) + 8, 1),
    "file_malformed",
  ],
  [
    "an unknown compression",
    patched(archive(false), find(archive(false), CENTRAL) + 10, 14),
    "file_malformed",
  ],
  [
    "a wrong length",
    patched(archive(false), find(archive(false), CENTRAL) + 24, 1),
    "file_malformed",
  ],
  ["an array that is none", other(Buffer.from("hello")), "file_malformed"],
  ["strings", other(npyFile("<U3", "(1,)", new Uint8Array(12))), "file_dtype_unsupported"],
  ["pickled objects", other(npyFile("|O", "(1,)", new Uint8Array(8))), "file_dtype_unsupported"],
] as const)("refuses %s when it is asked for; the others can be read", (_, file, code) => {
  const read = decodeNpz(file, "bad.npz");
  expect([...read.keys()]).toEqual(["a", "b"]);
  expect(read.has("a")).toBe(true);
  expect(codeOf(() => read.get("a"))).toBe(code);
  expect(codeOf(() => [...read])).toBe(code);
  expect(read.get("b")?.bytes).toHaveLength(400);
});

it("lists no other files and folders, and says what they are when they are asked for", () => {
  const read = decodeNpz(
    zipSync({ "notes.txt": Buffer.from("hello"), sub: { "a.npy": npy }, "sub/": new Uint8Array() }),
    "x.npz",
  );
  expect([...read.keys()]).toEqual(["sub/a"]);
  expect(read.size).toBe(1);
  expect(() => read.get("notes.txt")).toThrow("x.npz:notes.txt: it is no array");
  expect(read.get("sub/")).toBeUndefined();
});

it("reads arrays whose names have no suffix, as numpy does", () => {
  const one = encodeNpy({ type: { dtype: "uint8", shape: [1] }, bytes: Uint8Array.of(7) });
  const read = decodeNpz(zipSync({ a: one, "a.npy": npy, b: one }), "x.npz");
  expect([...read.keys()].sort()).toEqual(["a", "a.npy", "b"]);
  expect([...(read.get("a")?.bytes ?? [])]).toEqual([7]);
  expect(read.get("a.npy")?.type).toEqual(zeros.type);
});

it("refuses more than the limit before it unpacks anything", () => {
  expect(codeOf(() => decodeNpz(archive(true), "x.npz", { maxBytes: 1000 }))).toBe(
    "file_too_large",
  );
});

it("names the member at fault", () => {
  const file = zipSync({ "weights/w.npy": Buffer.from("hello") });
  expect(() => decodeNpz(file, "x.npz").get("weights/w")).toThrow(
    /^x.npz:weights\/w: it is no .npy file/,
  );
});

it("answers any bytes with arrays or a FileError", () => {
  for (const good of [archive(false), archive(true)]) {
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(
        damage,
        fc.integer({ min: good.length - 60, max: good.length }),
        (changes, length) => {
          const file = good.slice(0, length);
          for (const [at, byte] of changes) if (at < length) file[at] = byte;
          try {
            for (const { bytes } of decodeNpz(file, "fuzz.npz").values())
              expect(bytes.length).toBe(400);
          } catch (error) {
            expect(error).toBeInstanceOf(FileError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  }
});

it("writes and reads files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "davit-npz-"));
  try {
    const path = join(folder, "x.npz");
    await writeNpz(path, new Map([["a", zeros]]));
    expect((await readNpz(path)).get("a")?.type).toEqual(zeros.type);
    await expect(readNpz(join(folder, "y.npz"))).rejects.toMatchObject({ code: "file_missing" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
