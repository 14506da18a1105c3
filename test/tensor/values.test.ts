import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DTYPES, type Dtype, elementCount } from "../../src/tensor/dtype.js";
import { TensorError } from "../../src/tensor/error.js";
import {
  fromBytes,
  type NestedArray,
  type TensorLike,
  toBytes,
  typedArray,
  typeOfValue,
} from "../../src/tensor/values.js";

const code = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (error instanceof TensorError) return error.code;
    throw error;
  }
  return undefined;
};

describe("typeOfValue", () => {
  it.each([
    [1, "float32", []],
    [1.5, "float32", []],
    [true, "bool", []],
    [5n, "int64", []],
    [2n ** 63n, "uint64", []],
    [[1, 2, 3], "float32", [3]],
    [[[1], [2n], [true]], "float32", [3, 1]],
    [[1n, true], "int64", [2]],
    [[], "float32", [0]],
    [[[], []], "float32", [2, 0]],
    [Int8Array.of(1, 2), "int8", [2]],
    [BigUint64Array.of(1n), "uint64", [1]],
    [new Float64Array(0), "float64", [0]],
  ] as const)("of %o is %s %o", (value, dtype, shape) => {
    expect(typeOfValue(value as TensorLike)).toEqual({ dtype, shape });
  });

  it("takes a dtype, and pairs for complex64", () => {
    expect(typeOfValue([1, 2], "int8")).toEqual({ dtype: "int8", shape: [2] });
    expect(typeOfValue([[1, 2]], "complex64")).toEqual({ dtype: "complex64", shape: [1] });
    expect(typeOfValue(1, "complex64")).toEqual({ dtype: "complex64", shape: [] });
    expect(typeOfValue(Float32Array.of(1, 2), "complex64")).toEqual({
      dtype: "complex64",
      shape: [1],
    });
  });

  it.each(["float", "toString", 5, { shape: [2] }])(
    "refuses %o for a dtype, and says what was expected",
    (dtype) => {
      for (const value of [[1, 2], Float32Array.of(1, 2)]) {
        const work = () => typeOfValue(value, dtype as Dtype);
        expect(code(work)).toBe("type_invalid");
        const text = typeof dtype === "string" ? dtype : JSON.stringify(dtype);
        expect(work).toThrow(text);
        expect(work).toThrow("expected one of bool, uint8,");
      }
    },
  );

  it.each([
    ["ragged", [[1, 2], [3]], "shape_invalid"],
    ["a number beside an array", [[1], 2], "shape_invalid"],
    ["an array beside a number", [1, [2]], "shape_invalid"],
    ["text", ["1"], "value_invalid"],
    ["null", null, "value_invalid"],
    ["a hole", [1, undefined], "value_invalid"],
  ])("refuses %s", (_name, value, expected) => {
    expect(code(() => typeOfValue(value as unknown as TensorLike))).toBe(expected);
  });

  it("refuses what is no pair for complex64, and a bottomless array", () => {
    expect(code(() => typeOfValue([1, 2, 3], "complex64"))).toBe("shape_invalid");
    expect(code(() => typeOfValue(Float32Array.of(1), "complex64"))).toBe("shape_invalid");
    const loop: unknown[] = [];
    loop.push(loop);
    expect(code(() => typeOfValue(loop as unknown as TensorLike))).toBe("shape_invalid");
  });
});

describe("toBytes and fromBytes", () => {
  const elements: Record<Dtype, fc.Arbitrary<NestedArray>> = {
    bool: fc.boolean(),
    uint8: fc.nat(255),
    uint16: fc.nat(65_535),
    uint32: fc.nat(2 ** 31 - 1),
    uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    int8: fc.integer({ min: -128, max: 127 }),
    int16: fc.integer({ min: -32_768, max: 32_767 }),
    int32: fc.integer(),
    int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    float16: fc.constantFrom(0, -0, 1, 0.5, -2048, Infinity, Number.NaN, 2 ** -24),
    bfloat16: fc.constantFrom(0, -0, 1, 0.5, -(2 ** 100), Infinity, Number.NaN),
    float32: fc.float(),
    float64: fc.double(),
    complex64: fc.tuple(fc.float(), fc.float()),
  };

  it.each(DTYPES)("round-trips %s of any shape", (dtype) => {
    const value = fc
      .array(fc.nat(3), { maxLength: 3 })
      .chain((shape) =>
        shape
          .reduceRight<fc.Arbitrary<NestedArray>>(
            (inner, size) => fc.array(inner, { minLength: size, maxLength: size }),
            elements[dtype],
          )
          .map((nested) => ({ shape, nested })),
      );
    fc.assert(
      fc.property(value, ({ shape, nested }) => {
        const full = elementCount(shape) > 0 || dtype !== "complex64" ? shape : undefined;
        fc.pre(full !== undefined && !shape.slice(0, -1).includes(0));
        const type = { dtype, shape };
        expect(fromBytes(toBytes(nested, type), type)).toEqual(nested);
      }),
    );
  });

  it("writes little-endian rows", () => {
    const bytes = toBytes(
      [
        [1, -2],
        [3, 4],
      ],
      { dtype: "int16", shape: [2, 2] },
    );
    expect([...bytes]).toEqual([1, 0, 0xfe, 0xff, 3, 0, 4, 0]);
  });

  it("converts typed arrays, and takes bits and pairs as they are", () => {
    const f32 = { dtype: "float32", shape: [2] } as const;
    expect(fromBytes(toBytes(Int32Array.of(1, -1), f32), f32)).toEqual([1, -1]);
    expect(fromBytes(toBytes(BigInt64Array.of(1n, -1n), f32), f32)).toEqual([1, -1]);
    const f16 = { dtype: "float16", shape: [1] } as const;
    expect(fromBytes(toBytes(Uint16Array.of(0x3c00), f16), f16)).toEqual([1]);
    expect(fromBytes(toBytes(Float32Array.of(1.5), f16), f16)).toEqual([1.5]);
    const c64 = { dtype: "complex64", shape: [1] } as const;
    expect(fromBytes(toBytes(Float32Array.of(1, 2), c64), c64)).toEqual([[1, 2]]);
    expect(fromBytes(toBytes(Int8Array.of(5), c64), c64)).toEqual([[5, 0]]);
    // Rows of a typed array are taken in order, whatever the shape.
    const matrix = { dtype: "uint8", shape: [2, 2] } as const;
    expect(fromBytes(toBytes(Uint8Array.of(1, 2, 3, 4), matrix), matrix)).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it("reads bytes at any alignment", () => {
    const bytes = new Uint8Array(9).subarray(1);
    new DataView(bytes.buffer).setFloat64(1, Math.PI, true);
    expect(fromBytes(bytes, { dtype: "float64", shape: [] })).toBe(Math.PI);
  });

  it.each([
    ["a fraction", 1.5, "int32"],
    ["NaN", Number.NaN, "int32"],
    ["what is too large", 256, "uint8"],
    ["a negative", -1, "uint64"],
    ["a large bigint", 2n ** 63n, "int64"],
    ["2", 2, "bool"],
  ] as const)("refuses %s in %s", (_name, value, dtype) => {
    expect(code(() => toBytes(value, { dtype, shape: [] }))).toBe("value_invalid");
    expect(() => toBytes(value, { dtype, shape: [] })).toThrow(String(value));
  });

  it("refuses other shapes and sizes", () => {
    expect(code(() => toBytes([1, 2], { dtype: "int8", shape: [3] }))).toBe("shape_invalid");
    expect(code(() => toBytes(Int8Array.of(1), { dtype: "int8", shape: [3] }))).toBe(
      "value_size_invalid",
    );
    expect(code(() => fromBytes(new Uint8Array(3), { dtype: "int16", shape: [1] }))).toBe(
      "value_size_invalid",
    );
  });
});

it("sees bytes as typed arrays without a copy", () => {
  const buffer = toBytes([1, 2], { dtype: "float32", shape: [2] }).buffer as ArrayBuffer;
  const view = typedArray("float32", buffer) as Float32Array;
  expect(view).toEqual(Float32Array.of(1, 2));
  expect(view.buffer).toBe(buffer);
  expect(typedArray("bfloat16", buffer)).toBeInstanceOf(Uint16Array);
});
