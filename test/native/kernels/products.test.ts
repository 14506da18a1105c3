import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled, tensor } from "../../support/data.js";
import {
  type Case,
  computed,
  describeKernels,
  FACTOR_DTYPES,
  type Node,
  sumsRoundedOnce,
} from "../../support/kernels.js";

/** A product of tensors, whose last two dimensions may lie the other way round. */
function product(
  dtype: Dtype,
  a: readonly number[],
  b: readonly number[],
  { left = false, right = false } = {},
): Case {
  const stored = (shape: readonly number[], turned: boolean) =>
    turned ? [...shape.slice(0, -2), shape.at(-1) as number, shape.at(-2) as number] : shape;
  const inputs = [
    filled(dtype, stored(a, left), "unit", 1),
    filled(dtype, stored(b, right), "unit", 2),
  ];
  const turn = (value: number, rank: number): Node => ({
    op: "transpose",
    inputs: [value],
    attributes: { axes: [...Array(rank - 2).keys(), rank - 1, rank - 2] },
  });
  const nodes: Node[] = [];
  let operands = [0, 1];
  if (left) {
    nodes.push(turn(0, a.length));
    operands = [1 + nodes.length, operands[1] as number];
  }
  if (right) {
    nodes.push(turn(1, b.length));
    operands = [operands[0] as number, 1 + nodes.length];
  }
  nodes.push({ op: "matmul", inputs: operands });
  const how = `${left ? " turned" : ""} by [${b}]${right ? " turned" : ""}`;
  return sumsRoundedOnce(`[${a}]${how}`, dtype, inputs, nodes);
}

/** Rows, columns and depths around those of tiles, panels and blocks. */
const SIZES = [
  [1, 1, 1],
  [1, 40, 300],
  [2, 3, 5],
  [5, 33, 17],
  [12, 32, 256],
  [13, 31, 257],
  [16, 96, 64],
  [17, 64, 513],
  [24, 65, 30],
  [25, 300, 40],
  [250, 70, 100],
] as const;

const cases: Case[] = [
  ...FACTOR_DTYPES.flatMap((dtype) => [
    ...SIZES.flatMap(([rows, columns, depth]) =>
      [{}, { right: true }, { left: true }, { left: true, right: true }].map((turned) =>
        product(dtype, [rows, depth], [depth, columns], turned),
      ),
    ),
    product(dtype, [70], [70, 30]),
    product(dtype, [30, 70], [70]),
    product(dtype, [3, 4, 20, 16], [3, 4, 16, 20]),
    product(dtype, [3, 4, 20, 16], [3, 4, 16, 20], { right: true }),
    product(dtype, [3, 1, 20, 16], [4, 16, 20], { right: true }),
    product(dtype, [2, 5, 40], [40, 70], { right: true }),
    product(dtype, [2, 0], [0, 3]),
    product(dtype, [0, 4], [4, 3]),
    ...[[70], [1, 70], [33, 1], [33, 70], []].flatMap((addend) =>
      [20, 33].map((rows) =>
        sumsRoundedOnce(
          `[${rows}, 50] by [50, 70] and [${addend}] added`,
          dtype,
          [
            filled(
              dtype,
              addend.map((size) => (size === 33 ? rows : size)),
              "unit",
              3,
            ),
            filled(dtype, [rows, 50], "unit", 4),
            filled(dtype, [50, 70], "unit", 5),
          ],
          [{ op: "addmm", inputs: [0, 1, 2], attributes: { alpha: 0.5, beta: -2 } }],
        ),
      ),
    ),
    sumsRoundedOnce(
      "a batch to which a matrix is added",
      dtype,
      [
        filled(dtype, [2, 1, 9], "unit", 6),
        filled(dtype, [2, 7, 40], "unit", 7),
        filled(dtype, [40, 9], "unit", 8),
      ],
      [{ op: "addmm", inputs: [0, 1, 2] }],
    ),
    sumsRoundedOnce(
      "rows and columns that are steps of others",
      dtype,
      [filled(dtype, [40, 90], "unit", 9), filled(dtype, [60, 80], "unit", 10)],
      [
        {
          op: "slice",
          inputs: [0],
          attributes: { start: [1, 0], stop: [40, 90], strides: [2, 3] },
        },
        {
          op: "slice",
          inputs: [1],
          attributes: { start: [0, 2], stop: [60, 80], strides: [2, 3] },
        },
        { op: "matmul", inputs: [2, 3] },
      ],
    ),
  ]),
  ...[1, 6].map((rows) =>
    computed(
      `matrices of ${rows} rows by those that indices name`,
      [
        filled("float32", [3, rows, 50], "unit", 11),
        filled("float32", [4, 50, 33], "unit", 12),
        tensor("uint32", [5], [0, 2, 1, 1, 2]),
        tensor("uint32", [5], [3, 0, 0, 3, 1]),
      ],
      [{ op: "gather_mm", inputs: [0, 1, 2, 3] }],
      undefined,
      2e-5,
    ),
  ),
  computed(
    "products of what is not finite",
    [
      tensor("float32", [2, 3], [Number.NaN, 1, 0, Number.POSITIVE_INFINITY, 2, 1]),
      filled("float32", [3, 40], "positive", 13),
    ],
    [{ op: "matmul", inputs: [0, 1] }],
  ),
];

describeKernels("products of matrices", cases);
