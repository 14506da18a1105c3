import { decode } from "@msgpack/msgpack";
import fc from "fast-check";
import { expect, it } from "vitest";
import { MsgpackWriter } from "../../src/msgpack/writer.js";

it("writes what @msgpack/msgpack reads, in memory that grows and is used again", () => {
  const writer = new MsgpackWriter(16);
  fc.assert(
    fc.property(
      fc.array(fc.maxSafeInteger()),
      fc.array(fc.double()),
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
      (integers, floats, binaries) => {
        writer.truncate(0);
        writer.array(3);
        writer.array(integers.length);
        for (const value of integers) writer.integer(value);
        writer.map(1);
        writer.ascii("floats");
        writer.array(floats.length);
        for (const value of floats) writer.float(value);
        writer.array(binaries.length);
        for (const value of binaries) writer.binary(value);
        expect(decode(writer.written)).toEqual([integers, { floats }, binaries]);
      },
    ),
    { numRuns: 50 },
  );
});

it("writes integers and lengths at the edges of their forms", () => {
  const edges = [
    -(2 ** 53 - 1),
    -(2 ** 31) - 1,
    -(2 ** 31),
    -32769,
    -32768,
    -129,
    -128,
    -33,
    -32,
    -1,
    0,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53 - 1,
  ];
  const writer = new MsgpackWriter();
  writer.array(edges.length);
  for (const value of edges) writer.integer(value);
  expect(decode(writer.written)).toEqual(edges);
  for (const length of [0, 15, 16, 255, 256, 65535, 65536]) {
    writer.truncate(0);
    writer.array(length);
    for (let index = 0; index < length; index++) writer.integer(0);
    expect(decode(writer.written)).toHaveLength(length);
    writer.truncate(0);
    writer.binary(new Uint8Array(length));
    expect(decode(writer.written)).toHaveLength(length);
  }
});

it("writes integers of 64 bits, which only a bigint holds", () => {
  const edges = [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 63n), 7n, -7n];
  const writer = new MsgpackWriter();
  writer.array(edges.length);
  for (const value of edges) writer.integer(value);
  const read = decode(writer.written, { useBigInt64: true }) as (number | bigint)[];
  expect(read.map(BigInt)).toEqual(edges);
  // The same bytes as a number's, where one holds it.
  const bytes = (value: number | bigint) => {
    writer.truncate(0);
    writer.integer(value);
    return [...writer.written];
  };
  expect(bytes(300n)).toEqual(bytes(300));
});

it("writes strings, booleans and maps with heads of every width", () => {
  const writer = new MsgpackWriter();
  for (const length of [0, 31, 32, 255, 256, 65535, 65536]) {
    writer.truncate(0);
    writer.text("é".repeat(length));
    expect(decode(writer.written)).toBe("é".repeat(length));
  }
  for (const count of [0, 15, 16, 65536]) {
    writer.truncate(0);
    writer.map(count);
    for (let index = 0; index < count; index++) {
      writer.integer(index);
      writer.bool(index % 2 === 0);
    }
    expect(Object.keys(decode(writer.written) as object)).toHaveLength(count);
  }
});
