import { decode } from "@msgpack/msgpack";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Packer } from "../../src/protocol/packer.js";

it("writes what @msgpack/msgpack reads, in memory that grows and is used again", () => {
  const packer = new Packer(16);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: -32, max: -1 }), fc.maxSafeNat())),
      fc.array(fc.double()),
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
      (integers, floats, binaries) => {
        packer.truncate(0);
        packer.array(3);
        packer.array(integers.length);
        for (const value of integers) packer.integer(value);
        packer.map(1);
        packer.ascii("floats");
        packer.array(floats.length);
        for (const value of floats) packer.float(value);
        packer.array(binaries.length);
        for (const value of binaries) packer.binary(value);
        expect(decode(packer.bytes)).toEqual([integers, { floats }, binaries]);
      },
    ),
    { numRuns: 50 },
  );
});

it("writes integers and lengths at the edges of their forms", () => {
  const edges = [-32, -1, 0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
  const packer = new Packer();
  packer.array(edges.length);
  for (const value of edges) packer.integer(value);
  expect(decode(packer.bytes)).toEqual(edges);
  for (const length of [0, 15, 16, 255, 256, 65535, 65536]) {
    packer.truncate(0);
    packer.array(length);
    for (let index = 0; index < length; index++) packer.integer(0);
    expect(decode(packer.bytes)).toHaveLength(length);
    packer.truncate(0);
    packer.binary(new Uint8Array(length));
    expect(decode(packer.bytes)).toHaveLength(length);
  }
});
