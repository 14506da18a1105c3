// Writes test/vectors/msgpack.exs: values with the bytes that @msgpack/msgpack makes of them.
//   node test/support/msgpack_vectors.mjs > test/vectors/msgpack.exs && mix format
import { encode } from "@msgpack/msgpack";

const repeated = (item, count) => Array.from({ length: count }, () => item);
// [Elixir source, JavaScript value]
const vectors = [
  ["nil", null],
  ["true", true],
  ["false", false],
  ...[0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295].map((n) => [String(n), n]),
  ...[-1, -32, -33, -128, -129, -32768, -32769, -2147483648].map((n) => [String(n), n]),
  ...[4294967296n, 9007199254740991n, -2147483649n, -9007199254740991n].map((n) => [String(n), n]),
  ...[2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)].map((n) => [String(n), n]),
  ...[0.5, -1.25, 1e300, 5e-324, 3.141592653589793].map((x) => [x.toExponential().replace(/^(-?\d)e/, "$1.0e"), x]),
  [":nan", NaN],
  [":infinity", Infinity],
  [":neg_infinity", -Infinity],
  ['""', ""],
  ['"grün ∂ 🙂"', "grün ∂ 🙂"],
  ...[31, 32, 255, 256, 65535, 65536].map((n) => [`String.duplicate("x", ${n})`, "x".repeat(n)]),
  ...[0, 1, 255, 256, 65535, 65536].map((n) => [`{:bin, :binary.copy(<<7>>, ${n})}`, new Uint8Array(n).fill(7)]),
  ...[0, 15, 16, 65535, 65536].map((n) => [`List.duplicate(1, ${n})`, repeated(1, n)]),
  ["%{}", {}],
  ['%{"a" => 1, "é" => [nil], "z" => %{"k" => {:bin, "b"}}}', { a: 1, z: { k: new Uint8Array([98]) }, é: [null] }],
  ...[15, 16].map((n) => [
    `Map.new(10..${n + 9}, &{"k#{&1}", &1})`,
    Object.fromEntries(repeated(0, n).map((_, i) => [`k${i + 10}`, i + 10])),
  ]),
  ["[[[[]]]]", [[[[]]]]],
];

console.log("# Made by test/support/msgpack_vectors.mjs. {term, base64 of what @msgpack/msgpack makes of it};");
console.log("# long ones by the SHA-256 of those bytes.\n[");
const { createHash } = await import("node:crypto");
const lines = vectors.map(([source, value]) => {
  const bytes = Buffer.from(encode(value, { useBigInt64: true, sortKeys: true }));
  const long = bytes.length > 48;
  const text = (long ? createHash("sha256").update(bytes).digest() : bytes).toString("base64");
  return `  {${source}, ${long ? ":sha256" : ":bytes"}, "${text}"}`;
});
console.log(`${lines.join(",\n")}\n]`);
