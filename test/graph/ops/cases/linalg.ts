import type { Attributes } from "../../../../src/graph/graph.js";
import { DTYPES, type Dtype } from "../../../../src/tensor/dtype.js";
import { decode, filled, kindOf, type TestTensor, tensor } from "../../../support/data.js";
import type { CaseTable, OpCase, OpCases } from "../../../support/op-cases.js";
import { likeFloat32 } from "./common.js";

type Shape = readonly number[];

const WIDE: Partial<Record<Dtype, number>> = { float32: 1e-4, float64: 1e-10, complex64: 1e-4 };

const within = (dtype: Dtype) => {
  const tolerance = WIDE[dtype];
  return tolerance === undefined ? {} : { tolerance };
};

/** Square matrices that are far from singular: the diagonal outweighs its row. */
export function dominant(dtype: Dtype, shape: Shape, seed = 1): TestTensor {
  return onDiagonal(filled(dtype, shape, "unit", seed), (value) => value + 8);
}

function onDiagonal({ type, bytes }: TestTensor, change: (value: number) => number): TestTensor {
  const n = type.shape.at(-1) as number;
  const width = kindOf(type.dtype) === "complex" ? 2 : 1;
  const values = decode({ type, bytes }).map((value, index) => {
    const place = Math.floor(index / width) % (n * n);
    const real = index % width === 0;
    return real && Math.floor(place / n) === place % n ? change(Number(value)) : Number(value);
  });
  return tensor(type.dtype, type.shape, values);
}

/** Symmetric or Hermitian, and positive definite. */
export function positive(dtype: Dtype, shape: Shape, seed = 1): TestTensor {
  const { type, bytes } = dominant(dtype, shape, seed);
  const n = shape.at(-1) as number;
  const complex = kindOf(dtype) === "complex";
  const values = decode({ type, bytes }).map(Number);
  const mirrored = values.map((value, index) => {
    const item = complex ? index >> 1 : index;
    const [batch, place] = [Math.floor(item / (n * n)), item % (n * n)];
    const [row, column] = [Math.floor(place / n), place % n];
    if (complex && index % 2 === 1 && row === column) return 0;
    if (row <= column) return value;
    const other = batch * n * n + column * n + row;
    if (!complex) return values[other] as number;
    return (index % 2 === 1 ? -1 : 1) * (values[2 * other + (index % 2)] as number);
  });
  return tensor(dtype, shape, mirrored);
}

/** The values do not depend on how LAPACK computes them. */
const determined = (
  make: (dtype: Dtype, shape: Shape) => TestTensor,
  shapes: readonly Shape[],
  attributes: readonly Attributes[] = [{}],
  nothing: readonly Shape[] = [],
): OpCases => ({
  calls: (dtype) =>
    attributes.flatMap((set) => [
      ...shapes.map(
        (shape): OpCase => ({ inputs: [make(dtype, shape)], attributes: set, ...within(dtype) }),
      ),
      // Python MLX dies of an empty matrix.
      ...nothing.map(
        (shape): OpCase => ({
          inputs: [filled(dtype, shape)],
          attributes: set,
          expected: [tensor(dtype, shape, [])],
        }),
      ),
    ]),
});

/** Signs and order are LAPACK's choice; see linalg.test.ts for what the factors make together. */
const factors = (
  make: (dtype: Dtype, shape: Shape) => TestTensor,
  shapes: readonly Shape[],
  attributes: readonly Attributes[] = [{}],
): OpCases => ({
  calls: (dtype) =>
    attributes.flatMap((set) =>
      shapes.map(
        (shape): OpCase => ({ inputs: [make(dtype, shape)], attributes: set, typesOnly: true }),
      ),
    ),
});

const any = (dtype: Dtype, shape: Shape) => filled(dtype, shape, "small");
const RECTANGLES: readonly Shape[] = [
  [4, 4],
  [5, 3],
  [3, 5],
  [2, 3, 4],
  [0, 3],
  [3, 0],
  [0, 3, 3],
  [1, 1],
];
const SQUARES: readonly Shape[] = [
  [4, 4],
  [2, 3, 3],
  [1, 1],
  [0, 2, 2],
];
const EMPTY: readonly Shape[] = [
  [0, 0],
  [2, 0, 0],
];

const { POSITIVE_INFINITY: infinity } = Number;

const norm: OpCases = {
  calls: (dtype) => {
    const matrix = filled(dtype, [3, 4], "small");
    const batch = filled(dtype, [2, 3, 4], "small");
    const vector = filled(dtype, [5], "small");
    const call = (input: TestTensor, attributes: Attributes): OpCase => ({
      inputs: [input],
      attributes,
      ...within(dtype),
    });
    const real = /float(32|64)/.test(dtype);
    return [
      call(batch, {}),
      call(batch, { keepdims: true }),
      call(batch, { axes: [1] }),
      call(batch, { axes: [0, 2], keepdims: true }),
      ...[0, 1, 2, 3, -1, 0.5, infinity, -infinity].map((ord) => call(batch, { ord, axes: [1] })),
      call(vector, { ord: 1 }),
      ...[1, -1, infinity, -infinity].map((ord) => call(matrix, { ord })),
      call(batch, { ord: 1, axes: [2, 0] }),
      call(matrix, { ord_name: "fro" }),
      ...(real
        ? [
            call(matrix, { ord: 2 }),
            call(batch, { ord: -2, axes: [0, 1], keepdims: true }),
            call(matrix, { ord_name: "nuc" }),
          ]
        : []),
      call(filled(dtype, []), {}),
      call(filled(dtype, [0]), {}),
    ];
  },
};

const solve = (triangular: boolean): OpCases => ({
  calls: (dtype) => {
    const a = dominant(dtype, [3, 3]);
    const call = (matrix: TestTensor, shape: Shape, other = dtype): OpCase => ({
      inputs: [matrix, filled(other, shape, "small", 2)],
      ...within(dtype),
    });
    return [
      call(a, [3, 2]),
      call(a, [3]),
      call(a, [3, 0]),
      call(a, [3, 2], "float32"),
      call(dominant(dtype, [2, 3, 3]), [2, 3, 2]),
      ...(triangular ? [] : [call(a, [2, 3, 1]), call(dominant(dtype, [2, 3, 3]), [3])]),
      {
        inputs: [filled(dtype, [0, 0]), filled(dtype, [0, 2])],
        expected: [tensor(dtype, [0, 2], [])],
      },
    ];
  },
});

const triangles = (): OpCases => ({
  calls: (dtype) =>
    solve(true)
      .calls(dtype)
      .flatMap((one) => [false, true].map((upper) => ({ ...one, attributes: { upper } }))),
});

const cross: OpCases = {
  dtypes: DTYPES.filter((dtype) => dtype !== "bool"),
  calls: (dtype) =>
    (
      [
        [[4, 3], [4, 3], {}],
        [[3], [3], {}],
        [[2], [3], {}],
        [[3], [2], {}],
        [[4, 2], [2], {}],
        [[3, 4], [3, 4], { axis: 0 }],
        [[3, 1], [3, 4], { axis: -2 }],
        [[0, 3], [0, 3], {}],
      ] as const
    ).map(([a, b, attributes]) => ({
      inputs: [filled(dtype, a, "small", 1), filled(dtype, b, "small", 2)],
      attributes,
    })),
};

const SIDES: readonly Attributes[] = [{}, { upper: true }];

/** A determinant up to 3 by 3 in any dtype, larger ones in float32 and float64. */
const determinant: OpCases = {
  calls: (dtype) =>
    [
      [2, 2],
      [3, 3],
      [2, 1, 1],
      [0, 0],
      [0, 3, 3],
      ...(/16$/.test(dtype) && kindOf(dtype) === "float"
        ? []
        : [
            [5, 5],
            [2, 4, 4],
          ]),
    ].map((shape) => ({ inputs: [filled(dtype, shape, "small")], ...within(dtype) })),
};

export const LINALG_CASES: CaseTable = {
  "linalg.norm": norm,
  "linalg.qr": factors(any, RECTANGLES),
  "linalg.svd": factors(any, RECTANGLES, [{}, { compute_uv: false }]),
  "linalg.inv": determined(dominant, SQUARES, [{}], EMPTY),
  "linalg.tri_inv": determined(dominant, SQUARES, SIDES, EMPTY),
  "linalg.pinv": determined(dominant, [
    [4, 4],
    [5, 3],
    [3, 5],
    [0, 3],
    [2, 0],
  ]),
  "linalg.cholesky": determined(positive, [...SQUARES, [0, 0]], SIDES),
  "linalg.cholesky_inv": determined(dominant, SQUARES, SIDES, EMPTY),
  "linalg.lu": determined(dominant, [
    [4, 4],
    [2, 3, 3],
    [0, 2, 2],
  ]),
  "linalg.lu_factor": determined(dominant, [
    [4, 4],
    [2, 3, 3],
    [0, 2, 2],
  ]),
  "linalg.solve": solve(false),
  "linalg.solve_triangular": triangles(),
  "linalg.eig": factors(any, SQUARES),
  "linalg.eigvals": factors(any, SQUARES),
  "linalg.eigh": factors(positive, SQUARES, [{}, { UPLO: "U" }]),
  "linalg.eigvalsh": determined(positive, SQUARES, [{}, { UPLO: "U" }]),
  "linalg.det": likeFloat32(determinant),
  "linalg.slogdet": determinant,
  "linalg.cross": cross,
};
