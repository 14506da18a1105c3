import { describe, expect, it } from "vitest";
import type { Attributes } from "../../../src/graph/graph.js";
import { checkCall } from "../../../src/graph/ops/index.js";
import type { TensorType } from "../../../src/tensor/dtype.js";
import { decode, filled, type TestTensor, tensor } from "../../support/data.js";
import { describeFatal, type Fatal } from "../../support/fatal.js";
import { codeOf } from "../../support/op-cases.js";
import { runOp } from "../../support/run-op.js";

const HUGE = 2 ** 31 - 1;

const float = (...shape: number[]): TensorType => ({ dtype: "float32", shape });
const double = (...shape: number[]): TensorType => ({ dtype: "float64", shape });
const int = (...shape: number[]): TensorType => ({ dtype: "int32", shape });

type Refused = readonly [string, readonly (TensorType | null)[], Attributes, string];

const PRODUCTS: readonly Refused[] = [
  ["matmul", [int(2, 2), int(2, 2)], {}, "dtype_unsupported"],
  ["vecdot", [float(3, 4), float(4)], {}, "shape_invalid"],
  ["outer", [float(2 ** 16, 2 ** 16), float(1)], {}, "value_too_large"],
  ["tensordot", [float(2, 3), float(3, 2)], { axes: 3 }, "attribute_invalid"],
  ["tensordot", [float(2, 3), float(3, 2)], { axes_a: [5], axes_b: [0] }, "axis_invalid"],
  ["tensordot", [float(2, 3), float(3, 2)], { axes_a: [1], axes_b: [] }, "attribute_invalid"],
  [
    "tensordot",
    [float(2, 3), float(3, 2)],
    { axes: 1, axes_a: [1], axes_b: [0] },
    "attribute_invalid",
  ],
  ["einsum", [], { subscripts: "" }, "arity_invalid"],
  [
    "einsum",
    new Array(65).fill(float(2)),
    { subscripts: `${new Array(65).fill("i").join(",")}->i` },
    "arity_invalid",
  ],
  ["einsum", [float(2)], { subscripts: "i,j->" }, "arity_invalid"],
  ["einsum", [float(2)], { subscripts: "i->i->i" }, "attribute_invalid"],
  ["einsum", [float(2)], { subscripts: "1->" }, "attribute_invalid"],
  ["einsum", [float(2)], { subscripts: "é->" }, "attribute_invalid"],
  ["einsum", [float(2)], { subscripts: "..i->" }, "attribute_invalid"],
  ["einsum", [float(2)], { subscripts: "...i...->" }, "attribute_invalid"],
  ["einsum", [float(2)], { subscripts: "i->j" }, "attribute_invalid"],
  ["einsum", [float(2)], { subscripts: "i->ii" }, "attribute_invalid"],
  ["einsum", [float(2)], { subscripts: "ij->" }, "shape_invalid"],
  ["einsum", [float(2)], { subscripts: "...ij->" }, "shape_invalid"],
  ["einsum", [float(3, 4)], { subscripts: "ii->" }, "shape_invalid"],
  ["einsum", [float(2, 3), float(4, 5)], { subscripts: "ij,jk->ik" }, "shape_invalid"],
  [
    "einsum",
    [float(...Array<number>(60).fill(1))],
    { subscripts: "...->..." },
    "attribute_invalid",
  ],
  ["einsum", [int(2), int(2)], { subscripts: "i,i->" }, "dtype_unsupported"],
  ["block_masked_mm", [float(64, 64), float(64, 64)], { block_size: 0 }, "attribute_invalid"],
  ["block_masked_mm", [float(64, 64), double(64, 64)], {}, "dtype_unsupported"],
  ["gather_mm", [float(0, 2, 3), float(4, 3, 2), int(1)], {}, "shape_invalid"],
  ["gather_mm", [float(4, 2, 3), float(4, 3, 2), float(1)], {}, "dtype_unsupported"],
  ["gather_mm", [float(4, 2, 3), double(4, 3, 2), int(1)], {}, "dtype_unsupported"],
  ["segmented_mm", [float(2, 6), float(5, 3), int(1, 2)], {}, "shape_invalid"],
  ["segmented_mm", [float(2, 6), float(6, 3), float(1, 2)], {}, "dtype_unsupported"],
  ["hadamard_transform", [float(0)], {}, "shape_invalid"],
  ["hadamard_transform", [float(2, 3)], {}, "shape_invalid"],
  ["hadamard_transform", [{ dtype: "complex64", shape: [4] }], {}, "dtype_unsupported"],
];

const CONVOLUTIONS: readonly Refused[] = [
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { groups: 0 }, "attribute_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { groups: -1 }, "attribute_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { stride: [0] }, "attribute_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { dilation: [-1] }, "attribute_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { dilation: [HUGE] }, "value_too_large"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { padding: [HUGE] }, "value_too_large"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { padding: [-9] }, "attribute_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 2)], { stride: [1, 1] }, "attribute_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 9, 2)], {}, "shape_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 0, 2)], {}, "shape_invalid"],
  ["conv1d", [float(1, 8, 2), float(4, 3, 3)], {}, "shape_invalid"],
  ["conv1d", [float(1, 8, 4), float(3, 3, 2)], { groups: 2 }, "shape_invalid"],
  ["conv1d", [float(8, 2), float(4, 3, 2)], {}, "shape_invalid"],
  ["conv1d", [double(1, 8, 2), double(4, 3, 2)], { dilation: [2] }, "dtype_unsupported"],
  ["conv2d", [double(1, 8, 8, 2), double(4, 3, 3, 1)], { groups: 2 }, "dtype_unsupported"],
  [
    "conv2d",
    [float(1, 8, 8, 2), { dtype: "complex64", shape: [4, 3, 3, 2] }],
    {},
    "dtype_unsupported",
  ],
  ["conv3d", [float(1, 4, 4, 4, 2), float(4, 2, 2, 2, 1)], { groups: 2 }, "attribute_invalid"],
  ["conv_transpose1d", [float(2), float(4)], {}, "shape_invalid"],
  ["conv_transpose1d", [float(1, 8, 2), float(4, 3, 2)], { stride: [0] }, "attribute_invalid"],
  [
    "conv_transpose1d",
    [float(1, 8, 2), float(4, 3, 2)],
    { output_padding: [-50] },
    "attribute_invalid",
  ],
  [
    "conv_transpose2d",
    [float(1, 8, 8, 2), float(4, 3, 3, 2)],
    { stride: [2 ** 30, 1] },
    "value_too_large",
  ],
  ["conv_general", [float(1, 2), float(4, 2)], {}, "shape_invalid"],
  ["conv_general", [float(1, 8, 2), float(4, 3, 2)], { input_dilation: [0] }, "attribute_invalid"],
  ["conv_general", [float(1, 8, 2), float(4, 3, 2)], { padding_hi: [-9] }, "attribute_invalid"],
  ["convolve", [float(0), float(3)], {}, "shape_invalid"],
  ["convolve", [float(3), float(3, 3)], {}, "shape_invalid"],
];

const MATRICES: readonly Refused[] = [
  ["linalg.inv", [float(2, 3)], {}, "shape_invalid"],
  ["linalg.inv", [float(3)], {}, "shape_invalid"],
  ["linalg.inv", [{ dtype: "float16", shape: [2, 2] }], {}, "dtype_unsupported"],
  ["linalg.svd", [float(3)], {}, "shape_invalid"],
  ["linalg.solve", [float(2, 3), float(3)], {}, "shape_invalid"],
  ["linalg.solve", [float(2, 2), float()], {}, "shape_invalid"],
  ["linalg.det", [{ dtype: "float16", shape: [4, 4] }], {}, "dtype_unsupported"],
  ["linalg.norm", [float(2, 3)], { axes: [0, 0] }, "axis_invalid"],
  ["linalg.norm", [float(2, 3)], { axes: [] }, "attribute_invalid"],
  ["linalg.norm", [float(2, 3, 4)], { ord: 1 }, "attribute_invalid"],
  ["linalg.norm", [float(2, 3)], { ord: 1, ord_name: "fro" }, "attribute_invalid"],
  ["linalg.norm", [float(3)], { ord_name: "nuc" }, "attribute_invalid"],
  ["linalg.cross", [float(4), float(4)], {}, "shape_invalid"],
  ["linalg.cross", [float(3, 3), float(3)], { axis: 0 }, "axis_invalid"],
];

describe("what the table refuses before MLX sees it", () => {
  it.each([...PRODUCTS, ...CONVOLUTIONS, ...MATRICES])(
    "%s of %o with %o",
    (op, inputs, attributes, code) => {
      expect(codeOf(() => checkCall({ op, inputs, attributes }))).toBe(code);
    },
  );

  it("names the value and what was expected", () => {
    const inputs = [float(1, 8, 2), float(4, 3, 2)];
    expect(() => checkCall({ op: "conv1d", inputs, attributes: { groups: 0 } })).toThrow(
      "groups is 0; expected 1 or more",
    );
  });
});

const of = (...shape: number[]): TestTensor => filled("float32", shape);
const empty = of(0, 0);
/** Where MLX would end the process, the result of nothing is nothing, and a sum over nothing 0. */
const FATAL: readonly Fatal[] = [
  {
    title: "the inverse of an empty matrix",
    python: "mx.linalg.inv(mx.zeros((0, 0)))",
    ours: () => runOp("linalg.inv", [empty]),
  },
  {
    title: "the inverse of an empty triangle",
    python: "mx.linalg.tri_inv(mx.zeros((2, 0, 0)))",
    ours: () => runOp("linalg.tri_inv", [of(2, 0, 0)]),
  },
  {
    title: "the inverse by an empty Cholesky factor",
    python: "mx.linalg.cholesky_inv(mx.zeros((0, 0)))",
    ours: () => runOp("linalg.cholesky_inv", [empty]),
  },
  {
    title: "the factors of a matrix without columns",
    python: "mx.linalg.lu(mx.zeros((3, 0)))",
    ours: async () => {
      const [rows, lower, upper] = await runOp("linalg.lu", [of(3, 0)]);
      expect(rows && decode(rows)).toEqual([0, 1, 2]);
      expect([lower?.type.shape, upper?.type.shape]).toEqual([
        [3, 0],
        [0, 0],
      ]);
    },
  },
  {
    title: "the factors of an empty matrix",
    python: "mx.linalg.lu_factor(mx.zeros((0, 3)))",
    ours: () => runOp("linalg.lu_factor", [of(0, 3)]),
  },
  {
    title: "solving an empty system",
    python: "mx.linalg.solve(mx.zeros((0, 0)), mx.zeros((0,)))",
    ours: () => runOp("linalg.solve", [empty, of(0)]),
  },
  {
    title: "solving an empty triangular system",
    python: "mx.linalg.solve_triangular(mx.zeros((0, 0)), mx.zeros((0, 2)))",
    ours: () => runOp("linalg.solve_triangular", [empty, of(0, 2)]),
  },
  {
    title: "eigenvalues of NaN",
    python: "mx.linalg.eig(mx.full((2, 2), float('nan')))",
    ours: async () => {
      const matrix = tensor("float32", [2, 2], Array<number>(4).fill(Number.NaN));
      const [values] = await runOp("linalg.eig", [matrix]);
      expect(values && decode(values)).toEqual(Array<number>(4).fill(Number.NaN));
    },
  },
  {
    title: "a convolution in no groups",
    python: "mx.conv1d(mx.ones((1, 8, 2)), mx.ones((4, 3, 2)), groups=0)",
    ours: () => runOp("conv1d", [of(1, 8, 2), of(4, 3, 2)], { groups: 0 }),
    code: "attribute_invalid",
  },
  {
    title: "a transposed convolution in no groups",
    python: "mx.conv_transpose1d(mx.ones((1, 8, 2)), mx.ones((4, 3, 2)), groups=0)",
    ours: () => runOp("conv_transpose1d", [of(1, 8, 2), of(4, 3, 2)], { groups: 0 }),
    code: "attribute_invalid",
  },
  {
    title: "a convolution without input channels",
    python: "mx.conv1d(mx.ones((1, 8, 0)), mx.ones((4, 3, 0)))",
    ours: () => runOp("conv1d", [of(1, 8, 0), of(4, 3, 0)]),
  },
  {
    title: "a convolution without output channels",
    python: "mx.conv2d(mx.ones((1, 8, 8, 2)), mx.ones((0, 3, 3, 2)))",
    ours: () => runOp("conv2d", [of(1, 8, 8, 2), of(0, 3, 3, 2)]),
  },
  {
    title: "a convolution with an empty kernel",
    python: "mx.conv1d(mx.ones((1, 8, 2)), mx.ones((4, 0, 2)))",
    ours: () => runOp("conv1d", [of(1, 8, 2), of(4, 0, 2)]),
    code: "shape_invalid",
  },
  {
    title: "products of an empty batch",
    python: "mx.gather_mm(mx.zeros((0, 2, 3)), mx.zeros((4, 3, 2)), mx.array([0]), mx.array([0]))",
    ours: () => runOp("gather_mm", [of(0, 2, 3), of(4, 3, 2), tensor("uint32", [1], [0]), null]),
    code: "shape_invalid",
  },
  {
    title: "a segment beyond the operands",
    python: "mx.segmented_mm(mx.ones((2, 6)), mx.ones((6, 3)), mx.array([[3, 900000000]]))",
    ours: () =>
      runOp("segmented_mm", [of(2, 6), of(6, 3), tensor("int32", [1, 2], [3, 900_000_000])]),
  },
  {
    title: "segments of a matrix without rows",
    python: "mx.segmented_mm(mx.ones((0, 6)), mx.ones((6, 3)), mx.array([[0, 6]]))",
    ours: () => runOp("segmented_mm", [of(0, 6), of(6, 3), tensor("int32", [1, 2], [0, 6])]),
  },
];

describeFatal(FATAL);
