import { readFile, writeFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FileError } from "../../src/files/error.js";
import { encodeRecord, type RecordHeader, SIGNATURE } from "../../src/record/format.js";
import { RecordingFile } from "../../src/record/reader.js";
import { RecordWriter } from "../../src/record/writer.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { type Written, writeRecording } from "./support.js";

const at = temporaryFolder();

const events: Written[] = [
  { title: "a", value: [1, 2, 3] },
  { title: "b", value: [[1n], [2n]], dtype: "int64", path: [0] },
  { title: "b", value: [[3n], [4n]], dtype: "int64", path: [1] },
  { title: "c", value: true },
  { title: "empty", value: [], dtype: "float32" },
];

/** All of a recording: what fired, and its bytes. */
async function readAll(path: string) {
  const file = await RecordingFile.open(path);
  try {
    const found = [];
    for (const event of file.events) {
      const values = await file.values(event);
      found.push({
        label: event.place.label,
        path: event.path,
        run: event.run,
        types: values.map(({ type }) => type),
        bytes: values.map(({ bytes }) => [...bytes]),
      });
    }
    return { found, complete: file.complete };
  } finally {
    await file.close();
  }
}

/** A file that begins as recordings do, with records of these headers. */
async function withHeaders(name: string, headers: readonly unknown[]): Promise<string> {
  const records = headers.flatMap((header) => encodeRecord(header as RecordHeader));
  await writeFile(at(name), Buffer.concat([SIGNATURE, ...records]));
  return at(name);
}

describe("a recording's file", () => {
  it("gives back what was written", async () => {
    const { found, complete } = await readAll(await writeRecording(at("whole"), events));
    expect(complete).toBe(true);
    expect(found.map(({ label, path }) => [label, path])).toEqual([
      ["a", []],
      ["b", [0]],
      ["b", [1]],
      ["c", []],
      ["empty", []],
    ]);
    expect(found[0]?.bytes).toEqual([[...new Uint8Array(Float32Array.of(1, 2, 3).buffer)]]);
    expect(found[2]?.types).toEqual([{ dtype: "int64", shape: [2, 1] }]);
    expect(found[3]?.bytes).toEqual([[1]]);
    expect(found[4]?.bytes).toEqual([[]]);
  });

  it("gives back values that are larger than what is read at once", async () => {
    const value = Float32Array.from({ length: 300_000 }, (_, index) => index);
    const large = [1, 2, 3].map((run) => ({ title: "large", value, run }));
    const { found } = await readAll(await writeRecording(at("large"), large));
    for (const { bytes } of found) {
      expect(Buffer.from(value.buffer).equals(Buffer.from(bytes[0] as number[]))).toBe(true);
    }
    expect(found).toHaveLength(3);
  });

  it("is readable up to its last whole record, wherever it was cut off", async () => {
    const bytes = await readFile(await writeRecording(at("cut"), events));
    const { found: all } = await readAll(at("cut"));
    let longest = 0;
    for (let length = 0; length < bytes.length; length++) {
      await writeFile(at("cut"), bytes.subarray(0, length));
      const read = await readAll(at("cut")).catch((error) => error);
      if (read instanceof FileError) {
        // Before the first whole record there is nothing to read.
        expect(["file_truncated", "file_malformed"]).toContain(read.code);
        expect(longest).toBe(0);
        continue;
      }
      expect(read.complete).toBe(false);
      expect(read.found).toEqual(all.slice(0, read.found.length));
      expect(read.found.length).toBeGreaterThanOrEqual(longest);
      longest = read.found.length;
    }
    expect(longest).toBe(events.length);
  });

  it("is refused where any byte of it is another", async () => {
    const bytes = await readFile(await writeRecording(at("mutated"), events));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (position, change) => {
          const mutated = Buffer.from(bytes);
          mutated[position] = (mutated[position] as number) ^ change;
          await writeFile(at("mutated"), mutated);
          const error = await readAll(at("mutated")).catch((e) => e);
          expect(error).toBeInstanceOf(FileError);
          expect(error.code).toBe("file_malformed");
          expect(error.message).toContain("mutated");
        },
      ),
      { numRuns: 300 },
    );
  });

  it("is refused with a code, whatever is in it", async () => {
    const header = fc.oneof(
      fc.jsonValue(),
      fc.tuple(fc.constantFrom("recording", "place", "event", "end"), fc.jsonValue()),
      fc.tuple(fc.constant("place"), fc.constant(0), fc.jsonValue()),
      fc.tuple(fc.constant("event"), fc.nat(2), fc.nat(), fc.nat(), fc.nat(), fc.jsonValue()),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(header, { maxLength: 4 }), fc.boolean(), async (headers, begun) => {
        const path = await withHeaders("any", begun ? [["recording", 1], ...headers] : headers);
        const read = await readAll(path).catch((error) => error);
        if (read instanceof Error) expect(read).toBeInstanceOf(FileError);
        else expect(begun).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  const begin = ["recording", 1];
  const place = (types: unknown) => [
    "place",
    0,
    { site: 0, function: "main", node: 0, kind: "hook", types, ordinal: 0 },
  ];
  const float = { dtype: "float32", shape: [2] };
  it.each([
    ["an unknown version", [["recording", 2]], /\["recording",2\] \(expected version 1/],
    ["two beginnings", [begin, begin], /no second beginning/],
    ["no beginning", [["end", 0]], /is "end" \(expected the beginning/],
    ["an event without a place", [begin, ["event", 0, 1, 1, 0, []]], /one of 0 places/],
    ["places out of order", [begin, ["place", 1, place([])[2]]], /is place 1 \(expected place 0/],
    [
      "missing values",
      [begin, place([float]), ["event", 0, 1, 1, 0, []]],
      /0 bytes .* 8 for float32/,
    ],
    ["an impossible shape", [begin, place([{ dtype: "int8", shape: [2 ** 40] }])], /impossible/],
    ["an unknown dtype", [begin, place([{ dtype: "int7", shape: [] }])], /expected \["place"/],
    ["a negative iteration", [begin, place([]), ["event", 0, 1, 1, 0, [-1]]], /expected \["event"/],
    ["a wrong count", [begin, ["end", 3]], /counts 3 events \(expected 0/],
    ["more after the end", [begin, ["end", 0], begin], /goes on after its end/],
  ])("names %s", async (_, headers, message) => {
    const error = await readAll(await withHeaders("named", headers)).catch((e) => e);
    expect(error).toBeInstanceOf(FileError);
    expect(error.code).toBe("file_malformed");
    expect(error.message).toMatch(message);
  });

  it("names files that are none", async () => {
    await expect(readAll(at("missing"))).rejects.toMatchObject({ code: "file_missing" });
    await writeFile(at("text"), "no recording at all");
    await expect(readAll(at("text"))).rejects.toMatchObject({ code: "file_malformed" });
    await writeFile(at("text"), "");
    await expect(readAll(at("text"))).rejects.toMatchObject({ code: "file_malformed" });
    await expect(readAll(at("."))).rejects.toBeInstanceOf(FileError);
    expect(() => new RecordWriter(at("none/such"))).toThrow(FileError);
  });
});
