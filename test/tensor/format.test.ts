import { expect, it } from "vitest";
import type { Dtype } from "../../src/tensor/dtype.js";
import { formatTensor } from "../../src/tensor/format.js";
import { type TensorLike, toBytes, typeOfValue } from "../../src/tensor/values.js";

const show = (value: TensorLike, dtype: Dtype, options = {}) => {
  const type = typeOfValue(value, dtype);
  return formatTensor(toBytes(value, type), type, options);
};

it.each([
  [1, "float32", "array(1, dtype=float32)"],
  [[1, 2.5, -3], "float32", "array([  1, 2.5,  -3], dtype=float32)"],
  [[true, false], "bool", "array([ true, false], dtype=bool)"],
  [[123_456_789, -1], "int32", "array([123456789,        -1], dtype=int32)"],
  [18_446_744_073_709_551_615n, "uint64", "array(18446744073709551615, dtype=uint64)"],
  [[], "float32", "array([], dtype=float32)"],
  [[[], []], "float32", "array([], shape=(2, 0), dtype=float32)"],
  [
    [
      [1, -2],
      [0, 0.5],
    ],
    "complex64",
    "array([  1-2j, 0+0.5j], dtype=complex64)",
  ],
  [
    [Number.NaN, Infinity, -Infinity, -0],
    "float32",
    "array([ nan,  inf, -inf,   -0], dtype=float32)",
  ],
] as const)("prints %o as MLX does", (value, dtype, expected) => {
  expect(show(value as TensorLike, dtype)).toBe(expected);
});

it.each([
  [1 / 3, "0.333333"],
  [100_000, "100000"],
  [1e6, "1e+06"],
  [1_234_567, "1.23457e+06"],
  [1e-4, "0.0001"],
  [1e-5, "1e-05"],
  [999_999.5, "1e+06"],
  [5e-324, "4.94066e-324"],
])("writes %d as C's %%g", (value, expected) => {
  expect(show(value, "float64")).toBe(`array(${expected}, dtype=float64)`);
});

it("takes a precision", () => {
  expect(show(Math.PI, "float64", { precision: 3 })).toBe("array(3.14, dtype=float64)");
  expect(show(Math.PI, "float64", { precision: 12 })).toBe("array(3.14159265359, dtype=float64)");
});

it("puts rows on lines, and gaps between matrices", () => {
  expect(
    show(
      [
        [
          [1, 2],
          [3, 40],
        ],
        [
          [5, 6],
          [7, 8],
        ],
      ],
      "int8",
    ),
  ).toBe(
    [
      "array([[[ 1,  2],",
      "        [ 3, 40]],",
      "",
      "       [[ 5,  6],",
      "        [ 7,  8]]], dtype=int8)",
    ].join("\n"),
  );
});

it("leaves out the middle above the limit", () => {
  const row = Array.from({ length: 10 }, (_, index) => index);
  expect(show(row, "int32", { limit: 9 })).toBe("array([0, 1, 2, ..., 7, 8, 9], dtype=int32)");
  expect(show(row, "int32", { limit: 10 })).toBe(
    "array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=int32)",
  );
  const square = Array.from({ length: 100 }, () => row);
  const text = show(square, "int32", { limit: 100 });
  expect(text.split("\n")).toHaveLength(7);
  expect(text.split("\n")[3]).toBe("       ...,");
});

it("breaks long rows", () => {
  const text = show(
    Array.from({ length: 60 }, () => 12_345),
    "int32",
  );
  for (const line of text.split("\n").slice(0, -1)) expect(line.length).toBeLessThanOrEqual(80);
  expect(text.split("\n").length).toBeGreaterThan(4);
});
