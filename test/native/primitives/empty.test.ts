import type { Attributes } from "../../../src/graph/graph.js";
import { filled, tensor } from "../../support/data.js";
import { describeSurvival, gradients, only, type Survived } from "../../support/survival.js";

const float = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
const index = (...shape: number[]) => ({ dtype: "int32", shape }) as const;
const bool = (...shape: number[]) => ({ dtype: "bool", shape }) as const;
const of = (...shape: number[]) => filled("float32", shape);
const values = (...numbers: number[]) => tensor("float32", [numbers.length], numbers);

const SCATTERS: readonly Survived[] = ["scatter", "scatter_add", "scatter_prod", "scatter_max"].map(
  (op) => ({
    title: `${op} of empty slices`,
    graph: {
      functions: [only([float(3), float(1, 0), index(1)], { op, attributes: { axes: [0] } })],
    },
    inputs: [values(1, 2, 3), of(1, 0), tensor("int32", [1], [2])],
    results: [[1, 2, 3]],
  }),
);

const masked = (marks: readonly number[]) => ({
  graph: { functions: [only([float(2), bool(2), float(0)], { op: "masked_scatter" })] },
  inputs: [values(1, 2), tensor("bool", [2], marks), of(0)],
});

/** A derivative of something that has no rows of its own, or no columns. */
const derivative = (
  title: string,
  op: string,
  attributes: Attributes,
  shape: readonly number[],
  cotangent: readonly number[],
  indices?: { readonly shape: readonly number[]; readonly values: readonly number[] },
): Survived => {
  const types = [float(...shape), ...(indices === undefined ? [] : [index(...indices.shape)])];
  return {
    title,
    graph: gradients(only(types, { op, attributes }), [float(...cotangent)], [0]),
    inputs: [
      of(...shape),
      ...(indices === undefined ? [] : [tensor("int32", indices.shape, indices.values)]),
      of(...cotangent),
    ],
    results: [[]],
  };
};

describeSurvival([
  ...SCATTERS,
  { title: "masked_scatter of no elements to no place", ...masked([0, 0]), results: [[1, 2]] },
  {
    title: "masked_scatter of no elements to a place",
    ...masked([0, 1]),
    error: { code: "mlx_failed", op: "masked_scatter" },
  },
  derivative("take from rows without columns", "take", { axis: 0 }, [3, 0], [2, 0], {
    shape: [2],
    values: [0, 2],
  }),
  derivative("gather of nothing", "gather", { axes: [0], slice_sizes: [1, 0] }, [3, 0], [2, 1, 0], {
    shape: [2],
    values: [0, 2],
  }),
  derivative("take_along_axis of nothing", "take_along_axis", { axis: 0 }, [3, 0], [1, 0], {
    shape: [1, 0],
    values: [],
  }),
  derivative("the diagonal of nothing", "diagonal", {}, [3, 0], [0]),
  derivative("sort of nothing", "sort", { axis: 0 }, [3, 0], [3, 0]),
  derivative("topk of nothing", "topk", { k: 1, axis: 0 }, [3, 0], [1, 0]),
  {
    title: "the gradient of what is broadcast to nothing is 0",
    graph: gradients(only([float(1, 3)], { op: "broadcast_to", attributes: { shape: [0, 3] } }), [
      float(0, 3),
    ]),
    inputs: [of(1, 3), of(0, 3)],
    results: [[0, 0, 0]],
  },
  {
    title: "the gradients of a product over nothing",
    graph: gradients(only([float(2, 0), float(0, 3)], { op: "matmul" }), [float(2, 3)]),
    inputs: [of(2, 0), of(0, 3), of(2, 3)],
    results: [[], []],
  },
  {
    title: "the gradients of a product without rows",
    graph: gradients(only([float(0, 2), float(2, 3)], { op: "matmul" }), [float(0, 3)]),
    inputs: [of(0, 2), of(2, 3), of(0, 3)],
    results: [[], [0, 0, 0, 0, 0, 0]],
  },
  {
    title: "the gradients of a convolution of no images",
    graph: gradients(only([float(0, 4, 1), float(1, 2, 1)], { op: "conv1d" }), [float(0, 3, 1)]),
    inputs: [of(0, 4, 1), of(1, 2, 1), of(0, 3, 1)],
    results: [[], [0, 0]],
  },
  {
    title: "the gradients of gather_mm of matrices without rows",
    graph: gradients(
      only([float(2, 0, 3), float(2, 3, 2), index(2), index(2)], { op: "gather_mm" }),
      [float(2, 0, 2)],
      [0, 1],
    ),
    inputs: [
      of(2, 0, 3),
      of(2, 3, 2),
      tensor("int32", [2], [0, 1]),
      tensor("int32", [2], [1, 0]),
      of(2, 0, 2),
    ],
    results: [[], Array(12).fill(0)],
  },
]);
