import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileError } from "../../src/files/error.js";
import { decodeNpy, encodeNpy, readNpy, writeNpy } from "../../src/files/npy.js";
import { DTYPES } from "../../src/tensor/dtype.js";
import { arrays, codeOf, npyFile } from "./support.js";

describe("npy", () => {
  it("gives back what was written, for every dtype and shape", () => {
    fc.assert(
      fc.property(arrays(), (array) => {
        const read = decodeNpy(encodeNpy(array), "x.npy");
        expect(read.type).toEqual(array.type);
        expect([...read.bytes]).toEqual([...array.bytes]);
      }),
    );
  });

  it("writes what numpy writes", () => {
    const file = encodeNpy({
      type: { dtype: "float32", shape: [2] },
      bytes: new Uint8Array(Float32Array.of(1, 2).buffer),
    });
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    expect(file.length).toBe(128 + 8);
    expect(Buffer.from(file.subarray(0, 10))).toEqual(Buffer.from("934e554d505901007600", "hex"));
    expect(Buffer.from(file.subarray(10, 128)).toString()).toBe(`${header.padEnd(117)}\n`);
  });

  it.each([1, 2, 3])("reads version %i", (version) => {
    const read = decodeNpy(
      npyFile("<i2", "(3,)", Uint8Array.of(1, 0, 2, 0, 3, 0), { version }),
      "x",
    );
    expect(read.type).toEqual({ dtype: "int16", shape: [3] });
    expect([...read.bytes]).toEqual([1, 0, 2, 0, 3, 0]);
  });

  it.each([
    ["uint8", "|u1", 1],
    ["float16", "<f2", 2],
    ["float32", "<f4", 4],
    ["complex64", "<c8", 8],
  ] as const)("turns Fortran order of %s into rows", (dtype, descr, item) => {
    // Element n of the file holds the bytes n*8+0, n*8+1, …; it is the n-th in column order.
    const element = (n: number) => Array.from({ length: item }, (_, byte) => n * 8 + byte);
    const columns = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].flatMap(element);
    const file = npyFile(descr, "(2, 3, 2)", Uint8Array.from(columns), { fortran: true });
    const read = decodeNpy(file, "x.npy");
    expect(read.type).toEqual({ dtype, shape: [2, 3, 2] });
    expect([...read.bytes]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11].flatMap(element));
  });

  it("keeps every bit of a NaN in Fortran order", () => {
    const bits = BigUint64Array.of(0x7ff0000000000001n, 0xfff8000000000007n, 5n, 6n);
    const bytes = new Uint8Array(bits.buffer);
    const read = decodeNpy(npyFile("<f8", "(2, 2)", bytes, { fortran: true }), "x.npy");
    const rows = new BigUint64Array(read.bytes.slice().buffer);
    expect([...rows]).toEqual([bits[0], bits[2], bits[1], bits[3]]);
  });

  it("reads single-byte elements of any byte order, Python 2's long sizes and scalars", () => {
    expect(decodeNpy(npyFile(">u1", "(2,)", Uint8Array.of(7, 8)), "x").type.dtype).toBe("uint8");
    expect(decodeNpy(npyFile("<i2", "(1L, 2L)", new Uint8Array(4)), "x").type.shape).toEqual([
      1, 2,
    ]);
    expect(decodeNpy(npyFile("<i2", "()", new Uint8Array(2)), "x").type.shape).toEqual([]);
  });

  it.each([
    [">i2", Uint8Array.of(1, 2), Uint8Array.of(2, 1)],
    [">f4", Uint8Array.of(1, 2, 3, 4), Uint8Array.of(4, 3, 2, 1)],
    [">u8", Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1)],
    [">c8", Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(4, 3, 2, 1, 8, 7, 6, 5)],
    [">V2", Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
  ])("reads big-endian elements: %s", (descr, big, little) => {
    const file = npyFile(descr, "(1,)", big);
    expect([...decodeNpy(file, "x").bytes]).toEqual([...little]);
    // The file's own bytes stay as they are.
    expect([...file.subarray(-big.length)]).toEqual([...big]);
  });

  it("reads big-endian elements that lie column by column", () => {
    const data = Uint8Array.of(0, 1, 0, 2, 0, 3, 0, 4);
    const { bytes } = decodeNpy(npyFile(">u2", "(2, 2)", data, { fortran: true }), "x");
    expect([...new Uint16Array(bytes.slice().buffer)]).toEqual([1, 3, 2, 4]);
  });

  it("reads any byte but 0 as true", () => {
    const { bytes } = decodeNpy(npyFile("|b1", "(4,)", Uint8Array.of(0, 1, 2, 255)), "x");
    expect([...bytes]).toEqual([0, 1, 1, 1]);
  });

  it.each([
    ["something else", Buffer.from("PK\u0003\u0004 this is no array"), "file_malformed"],
    ["an empty file", new Uint8Array(), "file_malformed"],
    ["a file of its magic alone", Buffer.from("934e554d5059", "hex"), "file_truncated"],
    ["version 9", npyFile("<f4", "(1,)", new Uint8Array(4), { version: 9 }), "file_malformed"],
    [
      "a header longer than the file",
      Buffer.from("934e554d50590100ffff7b7d", "hex"),
      "file_truncated",
    ],
    ["a header of 4 GiB", Buffer.from("934e554d50590200ffffffff7b7d", "hex"), "file_truncated"],
    ["complex128", npyFile("<c16", "(1,)", new Uint8Array(16)), "file_dtype_unsupported"],
    ["pickled objects", npyFile("|O", "(1,)", new Uint8Array(8)), "file_dtype_unsupported"],
    ["text", npyFile("<U3", "(1,)", new Uint8Array(12)), "file_dtype_unsupported"],
    [
      "records",
      npyFile("[('a', '<f4')]", "(1,)", new Uint8Array(4), { raw: true }),
      "file_dtype_unsupported",
    ],
    ["too few elements", npyFile("<f4", "(3,)", new Uint8Array(8)), "file_truncated"],
    ["too many elements", npyFile("<f4", "(1,)", new Uint8Array(8)), "file_malformed"],
    ["a negative size", npyFile("<f4", "(-1,)", new Uint8Array(4)), "file_malformed"],
    ["a size beyond 32 bits", npyFile("<f4", "(4294967296,)", new Uint8Array(4)), "file_malformed"],
    ["a size that hides behind 0", npyFile("<f4", "(0, 1e9)", new Uint8Array()), "file_malformed"],
    [
      "a product beyond 2^53",
      npyFile("<f4", "(2000000000, 2000000000)", new Uint8Array(4)),
      "file_malformed",
    ],
    ["65 axes", npyFile("<f4", `(${"1, ".repeat(65)})`, new Uint8Array(4)), "file_malformed"],
    ["code for a shape", npyFile("<f4", "(exit(),)", new Uint8Array(4)), "file_malformed"],
  ])("refuses %s", (_, file, code) => {
    expect(codeOf(() => decodeNpy(file, "bad.npy"))).toBe(code);
  });

  it("refuses headers that miss, repeat or invent keys", () => {
    const file = (text: string) =>
      Buffer.concat([
        Buffer.from("934e554d50590100", "hex"),
        Buffer.from([text.length, 0]),
        Buffer.from(text),
      ]);
    for (const text of [
      "",
      "[]",
      "{}",
      "{'descr': '<f4', 'fortran_order': False}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
      "{'descr': '<f4' 'fortran_order': False, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
    ]) {
      expect(
        codeOf(() => decodeNpy(file(text), "bad.npy")),
        text,
      ).toBe("file_malformed");
    }
  });

  it("answers any bytes with an array or a FileError", () => {
    const good = encodeNpy({ type: { dtype: "int32", shape: [2, 2] }, bytes: new Uint8Array(16) });
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(damage, fc.nat(good.length), (changes, length) => {
        const file = good.slice(0, length);
        for (const [at, byte] of changes) if (at < length) file[at] = byte;
        try {
          const { type, bytes } = decodeNpy(file, "fuzz.npy");
          expect(DTYPES).toContain(type.dtype);
          expect(bytes.length).toBeLessThanOrEqual(good.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FileError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses to write bytes that do not fit the type", () => {
    const array = { type: { dtype: "int32", shape: [2] } as const, bytes: new Uint8Array(7) };
    expect(() => encodeNpy(array, "out.npy")).toThrow(/out.npy: 7 bytes.*expected 8 bytes/);
  });
});

describe("npy files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "davit-npy-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("are written and read", async () => {
    const path = join(folder, "x.npy");
    const array = {
      type: { dtype: "bfloat16", shape: [2] } as const,
      bytes: Uint8Array.of(1, 2, 3, 4),
    };
    await writeNpy(path, array);
    const read = await readNpy(path);
    expect(read.type).toEqual(array.type);
    expect([...read.bytes]).toEqual([1, 2, 3, 4]);
  });

  it("tell the path and the problem", async () => {
    const missing = join(folder, "missing.npy");
    await expect(readNpy(missing)).rejects.toMatchObject({ code: "file_missing", path: missing });
    await expect(readNpy(folder)).rejects.toMatchObject({ code: "file_unreadable", path: folder });
    const bad = join(folder, "bad.npy");
    await writeFile(bad, "hello");
    await expect(readNpy(bad)).rejects.toThrow(`${bad}: it is no .npy file (expected the bytes`);
  });
});
