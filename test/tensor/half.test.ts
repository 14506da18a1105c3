import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  fromBfloat16Bits,
  fromFloat16Bits,
  toBfloat16Bits,
  toFloat16Bits,
} from "../../src/tensor/half.js";

describe.each([
  ["float16", fromFloat16Bits, toFloat16Bits, 0x7c00],
  ["bfloat16", fromBfloat16Bits, toBfloat16Bits, 0x7f80],
] as const)("%s", (_name, decode, encode, infinity) => {
  it("gives every value back", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = decode(bits);
      if (Number.isNaN(value)) {
        expect((bits & 0x7fff) > infinity).toBe(true);
        expect(decode(encode(value))).toBeNaN();
      } else if (encode(value) !== bits) {
        throw new Error(`${bits.toString(16)} -> ${value} -> ${encode(value).toString(16)}`);
      }
    }
  });

  it("rounds to the nearest, ties to even", () => {
    const finite = fc.integer({ min: 0, max: infinity - 2 });
    fc.assert(
      fc.property(finite, fc.double({ min: 0, max: 1, noNaN: true }), (bits, part) => {
        const [low, high] = [decode(bits), decode(bits + 1)];
        const value = Math.fround(low + (high - low) * part);
        const middle = (low + high) / 2;
        const expected = value < middle || (value === middle && bits % 2 === 0) ? bits : bits + 1;
        expect(encode(value)).toBe(value === high ? bits + 1 : expected);
        expect(encode(-value)).toBe((value === high ? bits + 1 : expected) | 0x8000);
      }),
      { numRuns: 2000 },
    );
  });

  it("overflows to infinity and keeps infinities and signed zeros", () => {
    expect(encode(Infinity)).toBe(infinity);
    expect(encode(-Infinity)).toBe(infinity | 0x8000);
    expect(encode(3.4e38)).toBe(infinity);
    expect(encode(-0)).toBe(0x8000);
  });
});

it("knows reference values", () => {
  // From numpy and from MLX.
  expect([1, 0.1, 65_504, 65_519, 65_520, 6e-8, 2 ** -25].map(toFloat16Bits)).toEqual([
    0x3c00, 0x2e66, 0x7bff, 0x7bff, 0x7c00, 1, 0,
  ]);
  expect([1, 0.1, 3.140625, 1e-40].map(toBfloat16Bits)).toEqual([0x3f80, 0x3dcd, 0x4049, 0x0001]);
});

it("converts arrays", () => {
  const values = Float32Array.of(1, -2.5, 0, Infinity);
  expect(float16ToFloat32(float32ToFloat16(values))).toEqual(values);
  expect(bfloat16ToFloat32(float32ToBfloat16(values))).toEqual(values);
});
