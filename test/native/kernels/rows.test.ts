import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled, specials, type TestTensor, tensor } from "../../support/data.js";
import { type Case, computed, describeKernels, type Node } from "../../support/kernels.js";

/** First, middle, last and several dimensions; around the sizes of tiles, and beyond what one holds. */
const PLACES: readonly { readonly shape: readonly number[]; readonly axes: readonly number[] }[] = [
  { shape: [5, 7], axes: [0] },
  { shape: [37, 100], axes: [0] },
  { shape: [1024, 65], axes: [0] },
  { shape: [33, 1025], axes: [0] },
  { shape: [600, 1500], axes: [0] },
  { shape: [70_000, 3], axes: [0] },
  { shape: [3000, 16], axes: [0] },
  { shape: [9, 11, 13], axes: [1] },
  { shape: [400, 6, 8], axes: [1] },
  { shape: [9, 11, 130], axes: [0, 2] },
  { shape: [9, 11, 130], axes: [0, 1] },
  { shape: [4, 5, 6, 7], axes: [1, 3] },
  { shape: [4, 5, 6, 7], axes: [0, 2] },
  { shape: [2, 1, 300, 5], axes: [1, 2] },
  { shape: [3, 1, 5], axes: [0, 1, 2] },
  { shape: [2, 70_000], axes: [1] },
  { shape: [150_000], axes: [0] },
  { shape: [300, 300], axes: [0, 1] },
];

const HALVES: Partial<Record<Dtype, number>> = { float16: 2e-2, bfloat16: 0.15 };

/** Reductions of x * y, what they are used for after that, and the products themselves. */
function reductions(
  dtype: Dtype,
  { shape, axes }: (typeof PLACES)[number],
  transposed: boolean,
): Case {
  const nodes: Node[] = [];
  const push = (op: string, inputs: number[], attributes: Node["attributes"] = {}): number => {
    nodes.push({ op, inputs, attributes });
    return 1 + nodes.length;
  };
  const stored = transposed ? [...shape].reverse() : [...shape];
  const inputs = [filled(dtype, stored, "small", 1), filled(dtype, shape.slice(-1), "small", 2)];
  const x = transposed ? push("transpose", [0]) : 0;
  const product = push("multiply", [x, 1]);
  const floating = dtype.includes("float");
  const over = ["sum", "max", "min", ...(floating ? ["mean", "var"] : ["prod"])].map((op) =>
    push(op, [product], { axes: [...axes], keepdims: true }),
  );
  const centred = push("subtract", [product, over[1] as number]);
  const spread = push("sum", [push("square", [centred])], { axes: [...axes] });
  const positive = push("greater", [product, x]);
  const logical = ["all", "any"].map((op) => push(op, [positive], { axes: [...axes] }));
  return computed(
    `${dtype}[${shape}] over ${axes}${transposed ? ", transposed" : ""}`,
    inputs,
    nodes,
    [...over, centred, spread, ...logical, product],
    // Ours are sums of sums, and of halves they are rounded once.
    HALVES[dtype] ?? (floating ? 2e-3 : undefined),
  );
}

/** A product of what is zero, and of what would be an infinity in another order. */
function product(dtype: Dtype): Case {
  const values = Array.from({ length: 400 }, (_, i) => (i === 0 ? 0 : 64));
  const input = tensor(dtype, [400], values);
  return computed(`a product of zero and many of ${dtype}`, [input], [{ op: "prod", inputs: [0] }]);
}

/** argmax and argmin along every axis, of numbers many of which are equal. */
function searches(dtype: Dtype, shape: readonly number[], transposed = false): Case {
  const inputs = [filled(dtype, transposed ? [...shape].reverse() : shape, "small", 3)];
  const nodes: Node[] = transposed ? [{ op: "transpose", inputs: [0], attributes: {} }] : [];
  const first = nodes.length;
  for (let axis = 0; axis < shape.length; axis++) {
    for (const op of ["argmax", "argmin"])
      nodes.push({ op, inputs: [first], attributes: { axis } });
  }
  return computed(
    `argmax and argmin of ${dtype}[${shape}]${transposed ? ", transposed" : ""}`,
    inputs,
    nodes,
    nodes.slice(first).map((_, index) => 1 + first + index),
  );
}

/** All orders of some places of a NaN, an infinity and numbers that are equal. */
function special(dtype: Dtype): Case {
  const { type, bytes } = specials(dtype);
  const size = bytes.length / 12;
  const rows = Array.from({ length: 12 }, (_, turn) =>
    Buffer.concat([bytes.slice(turn * size), bytes.slice(0, turn * size)]),
  );
  const input: TestTensor = {
    type: { dtype: type.dtype, shape: [12, 12] },
    bytes: Uint8Array.from(Buffer.concat(rows)),
  };
  const nodes = ["argmax", "argmin", "max", "min"].flatMap((op) =>
    [0, 1].map((axis) => ({
      op,
      inputs: [0],
      attributes: op.startsWith("arg") ? { axis } : { axes: [axis] },
    })),
  );
  return computed(`NaN and infinities of ${dtype}`, [input], nodes, [1, 2, 3, 4, 5, 6, 7, 8]);
}

const FLOATS: Dtype[] = ["float32", "float16", "bfloat16", "float64"];
const INTEGERS: Dtype[] = ["uint8", "int16", "int32", "uint64"];

const cases: Case[] = [
  ...FLOATS.flatMap((dtype) => PLACES.map((place) => reductions(dtype, place, false))),
  ...INTEGERS.map((dtype) => reductions(dtype, { shape: [19, 23, 29], axes: [1] }, false)),
  ...PLACES.slice(0, 12).map((place) => reductions("float32", place, true)),
  ...[...FLOATS, ...INTEGERS, "bool" as Dtype].flatMap((dtype) => [
    searches(dtype, [17, 66, 5]),
    searches(dtype, [3, 2100]),
    searches(dtype, [70, 130], true),
  ]),
  ...FLOATS.map(special),
  ...FLOATS.map(product),
];

describeKernels("rows over any dimensions", cases);
