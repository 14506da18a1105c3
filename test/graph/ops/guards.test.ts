import { describe, expect, it } from "vitest";
import type { Attributes } from "../../../src/graph/graph.js";
import { checkCall } from "../../../src/graph/ops/index.js";
import type { Dtype, TensorType } from "../../../src/tensor/dtype.js";
import { decode, kindOf, tensor } from "../../support/data.js";
import { describeFatal, type Fatal } from "../../support/fatal.js";
import { codeOf } from "../../support/op-cases.js";
import { runOp } from "../../support/run-op.js";
import { INTEGERS } from "./cases/common.js";

const HUGE = 2 ** 31 - 1;

const float = (...shape: number[]): TensorType => ({ dtype: "float32", shape });
const KEY: TensorType = { dtype: "uint32", shape: [2] };

/** Calls that are refused: op, operands, attributes, code. */
const REFUSED: readonly (readonly [string, readonly (TensorType | null)[], Attributes, string])[] =
  [
    ["full", [float()], { shape: [2, -1] }, "attribute_invalid"],
    ["zeros", [], { shape: [2 ** 31] }, "value_too_large"],
    ["ones", [], { shape: [HUGE, HUGE] }, "value_too_large"],
    ["arange", [], { start: 0, stop: Number.NaN }, "attribute_invalid"],
    ["arange", [], { start: 0, stop: 1, step: 0 }, "attribute_invalid"],
    ["arange", [], { start: 0, stop: 1e300, step: 1 }, "value_too_large"],
    ["arange", [], { start: 0, stop: -1e300, step: 1 }, "value_too_large"],
    ["arange", [], { start: 0, stop: 2, dtype: "bool" }, "dtype_unsupported"],
    ["linspace", [], { start: 0, stop: 1, num: -1 }, "attribute_invalid"],
    ["eye", [], { n: -1 }, "attribute_invalid"],
    ["eye", [], { n: 3, k: -(2 ** 31) }, "attribute_invalid"],
    ["identity", [], { n: 2 ** 31 }, "value_too_large"],
    ["tri", [], { n: 3, m: HUGE, k: -5 }, "value_too_large"],
    ["tril", [float(3)], {}, "shape_invalid"],
    ["triu", [float(3, 3)], { k: 2 ** 30 }, "attribute_invalid"],
    ["meshgrid", [], {}, "arity_invalid"],
    ["meshgrid", new Array(33).fill(float(1)), {}, "arity_invalid"],
    ["meshgrid", [float(2, 2)], {}, "shape_invalid"],
    ["hanning", [], { M: -1 }, "attribute_invalid"],

    ["clip", [float(3), null, null], {}, "arity_invalid"],
    ["round", [float(3)], { decimals: 39 }, "attribute_invalid"],
    ["view", [float()], { dtype: "int8" }, "shape_invalid"],
    ["view", [float(3)], { dtype: "complex64" }, "shape_invalid"],
    ["view", [float(3)], { dtype: "bool" }, "dtype_unsupported"],
    ["view", [float(2 ** 29)], { dtype: "int8" }, "value_too_large"],
    ["negative", [{ dtype: "bool", shape: [] }], {}, "dtype_unsupported"],

    ["sum", [float(3, 4)], { axes: [2] }, "axis_invalid"],
    ["sum", [float(3, 4)], { axes: [0, -2] }, "axis_invalid"],
    ["sum", [float()], { axes: [0] }, "axis_invalid"],
    ["softmax", [float(4)], { axes: [-2, -1] }, "axis_invalid"],
    ["max", [float(2, 0)], {}, "shape_invalid"],
    ["min", [float(2, 0)], { axes: [1] }, "shape_invalid"],
    ["median", [float(2, 3)], { axes: [] }, "axis_invalid"],
    ["median", [float(2, 0)], { axes: [-1] }, "shape_invalid"],
    ["minmax", [float(0)], {}, "shape_invalid"],
    ["logsumexp", [float(2, 0)], { axes: [0] }, "shape_invalid"],
    ["argmax", [float(0, 2)], { axis: 1 }, "shape_invalid"],
    ["argmin", [float(2)], { axis: 1 }, "axis_invalid"],
    ["cumsum", [float(2)], { axis: -2 }, "axis_invalid"],
    ["cummax", [float(2 ** 16, 2 ** 16)], {}, "value_too_large"],

    ["diff", [float(3)], { n: -1 }, "attribute_invalid"],
    ["diff", [float()], {}, "axis_invalid"],

    ["sort", [float()], {}, "axis_invalid"],
    ["argsort", [float(2)], { axis: 1 }, "axis_invalid"],
    ["partition", [float(3)], { kth: 3 }, "attribute_invalid"],
    ["argpartition", [float(3)], { kth: -4 }, "attribute_invalid"],
    ["partition", [float(0)], { kth: 0 }, "shape_invalid"],
    ["topk", [float(3)], { k: 4 }, "attribute_invalid"],
    ["topk", [float(3)], { k: -1 }, "attribute_invalid"],
    ["searchsorted", [float(3, 3), float()], {}, "shape_invalid"],
    ["unique", [float(0)], { size: 1 }, "shape_invalid"],
    ["unique", [float(3), float(2)], { size: 1 }, "shape_invalid"],
    ["unique", [float(3)], { size: -1 }, "attribute_invalid"],

    ["reshape", [float(3, 4)], { shape: [5, -1] }, "shape_invalid"],
    ["reshape", [float(3, 4)], { shape: [-1, -1] }, "shape_invalid"],
    ["reshape", [float(0)], { shape: [0, -1] }, "shape_invalid"],
    ["reshape", [float(4)], { shape: [-2, -2] }, "attribute_invalid"],
    ["flatten", [float(2, 3)], { start_axis: 1, end_axis: 0 }, "axis_invalid"],
    ["flatten", [float(2 ** 16, 2 ** 16)], {}, "value_too_large"],
    ["unflatten", [float(0)], { axis: 0, shape: [0, -1] }, "shape_invalid"],
    ["unflatten", [float(6)], { axis: 0, shape: [] }, "shape_invalid"],
    ["unflatten", [float(6)], { axis: 1, shape: [6] }, "axis_invalid"],
    ["squeeze", [float(2, 1)], { axes: [0] }, "shape_invalid"],
    ["expand_dims", [float(2)], { axes: [0, 0] }, "axis_invalid"],
    ["expand_dims", [float(2)], { axes: [3] }, "axis_invalid"],
    ["transpose", [float(2, 3)], { axes: [0] }, "axis_invalid"],
    ["transpose", [float(2, 3)], { axes: [0, 0] }, "axis_invalid"],
    ["matrix_transpose", [float(2)], {}, "shape_invalid"],
    ["swapaxes", [float(2, 3)], { axis1: 0, axis2: 2 }, "axis_invalid"],
    ["moveaxis", [float(2, 3)], { source: -3, destination: 0 }, "axis_invalid"],
    ["flip", [float(2, 3)], { axes: [2] }, "axis_invalid"],
    ["roll", [float(2, 3)], { shift: [1], axes: [2] }, "axis_invalid"],
    ["roll", [float(2, 3)], { shift: [1], axes: [0, 1] }, "attribute_invalid"],
    ["roll", [float(2, 3)], { shift: [HUGE, HUGE] }, "value_too_large"],
    ["broadcast_to", [float(3)], { shape: [-1, 3] }, "attribute_invalid"],
    ["broadcast_arrays", [], {}, "arity_invalid"],
    ["repeat", [float(3)], { repeats: -1 }, "attribute_invalid"],
    ["repeat", [float(3, 4)], { repeats: 2 ** 30, axis: 0 }, "value_too_large"],
    ["tile", [float(3)], { reps: [-1] }, "attribute_invalid"],
    ["tile", [float(1)], { reps: [2 ** 30, 2 ** 30] }, "value_too_large"],
    ["pad", [float(3)], { pad_width: [1] }, "attribute_invalid"],
    ["pad", [float(3)], { pad_width: [1, -1] }, "attribute_invalid"],
    ["pad", [float(3)], { pad_width: [1, HUGE] }, "value_too_large"],
    ["pad", [float(3), float(1)], { pad_width: [1, 1] }, "shape_invalid"],
    ["pad", [float(0)], { pad_width: [1, 1], mode: "edge" }, "shape_invalid"],
    ["pad", [float(1)], { pad_width: [0, 10 ** 6], mode: "reflect" }, "value_too_large"],
    ["concatenate", [], {}, "arity_invalid"],
    ["concatenate", [float(3), float(3)], { axis: 1 }, "axis_invalid"],
    ["concatenate", [float(HUGE), float(1)], {}, "value_too_large"],
    ["stack", [float(3)], { axis: 2 }, "axis_invalid"],
    ["split", [float(6)], { sections: 4 }, "shape_invalid"],
    ["split", [float(6)], { sections: 0 }, "attribute_invalid"],
    ["split", [float(6)], {}, "attribute_invalid"],
    ["split", [float(6)], { sections: 2, indices: [1] }, "attribute_invalid"],
    ["unstack", [float(0)], {}, "shape_invalid"],
    ["as_strided", [float(4)], { shape: [2], strides: [4] }, "attribute_invalid"],
    ["as_strided", [float(4)], { shape: [2], strides: [-1] }, "attribute_invalid"],
    ["as_strided", [float(4)], { shape: [1], strides: [1], offset: 4 }, "attribute_invalid"],
    ["as_strided", [float(4)], { shape: [2], strides: [2n ** 62n] }, "attribute_invalid"],
    ["as_strided", [float(4)], { shape: [2, 2], strides: [1] }, "attribute_invalid"],

    ["random.key", [], { seed: -1 }, "attribute_invalid"],
    ["random.split", [KEY], { num: -1 }, "attribute_invalid"],
    ["random.bits", [KEY], { shape: [2], width: 3 }, "attribute_invalid"],
    ["random.bits", [float(2)], { shape: [2] }, "shape_invalid"],
    ["random.uniform", [KEY, null, null], { shape: [HUGE, HUGE] }, "value_too_large"],
    ["random.uniform", [KEY], { shape: [2], dtype: "float64" }, "dtype_unsupported"],
    ["random.multivariate_normal", [KEY, float(0), float(0, 0)], { shape: [] }, "shape_invalid"],
    ["random.categorical", [KEY, float(2, 0)], {}, "shape_invalid"],
    ["random.categorical", [KEY, float(2)], { shape: [], num_samples: 2 }, "attribute_invalid"],
    ["random.categorical", [KEY, float()], {}, "axis_invalid"],
    ["random.permutation", [KEY, float(3)], { axis: 1 }, "axis_invalid"],
  ];

describe("what the table refuses before MLX sees it", () => {
  it.each(REFUSED)("%s of %o with %o", (op, inputs, attributes, code) => {
    expect(codeOf(() => checkCall({ op, inputs, attributes }))).toBe(code);
  });

  it("names the value and what was expected", () => {
    expect(() => checkCall({ op: "topk", inputs: [float(3)], attributes: { k: 4 } })).toThrow(
      "k is 4; expected 0 to 3 [op topk(float32[3])]",
    );
  });
});

/** The least and the greatest value of an integer type. */
function limits(dtype: Dtype): { least: bigint; greatest: bigint; width: bigint } {
  const width = BigInt(dtype.replace(/\D/g, ""));
  return kindOf(dtype) === "signed"
    ? { least: -(2n ** (width - 1n)), greatest: 2n ** (width - 1n) - 1n, width }
    : { least: 0n, greatest: 2n ** width - 1n, width };
}

describe.each(INTEGERS)("%s", (dtype) => {
  const { least, greatest, width } = limits(dtype);
  const signed = least < 0n;
  const run = async (op: string, a: readonly bigint[], b: readonly bigint[]) => {
    const inputs = [tensor(dtype, [a.length], a), tensor(dtype, [b.length], b)];
    return (await runOp(op, inputs)).map((output) => decode(output).map(BigInt));
  };

  it("divides by zero, and its least value by -1", async () => {
    const a = [7n, least, greatest, least, 5n, signed ? -5n : 9n];
    const b = [0n, 0n, 0n, signed ? -1n : 1n, 2n, signed ? 2n : 4n];
    const quotients = [0n, 0n, 0n, least, 2n, signed ? -3n : 2n];
    const remainders = [7n, least, greatest, 0n, 1n, 1n];
    expect(await run("floor_divide", a, b)).toEqual([quotients]);
    expect(await run("remainder", a, b)).toEqual([remainders]);
    expect(await run("divmod", a, b)).toEqual([quotients, remainders]);
  });

  it("shifts by an amount modulo its width", async () => {
    const amounts = [width, width + 1n, width - 1n];
    expect(await run("left_shift", [3n, 3n, 1n], amounts)).toEqual([
      [3n, 6n, signed ? least : 2n ** (width - 1n)],
    ]);
    expect(await run("right_shift", [3n, 3n, greatest], amounts)).toEqual([
      [3n, 1n, signed ? 0n : 1n],
    ]);
  });
});

describe("reducing nothing", () => {
  // MLX may never come back from these.
  it.each([
    ["all", [1, 1]],
    ["any", [0, 0]],
    ["sum", [0, 0]],
    ["prod", [1, 1]],
    ["mean", [Number.NaN, Number.NaN]],
    ["var", [Number.NaN, Number.NaN]],
  ])("%s", async (op, expected) => {
    const inputs = [tensor("float32", [2, 0], [])];
    for (const strided of [false, true]) {
      const [output] = await runOp(op, inputs, { axes: [1] }, { strided });
      expect(output && decode(output)).toEqual(expected);
    }
  });
});

const FATAL: readonly Fatal[] = [
  {
    title: "the least integer divided by -1",
    python: "mx.array([-2**31]) // mx.array([-1])",
    ours: () =>
      runOp("floor_divide", [tensor("int32", [1], [-(2 ** 31)]), tensor("int32", [1], [-1])]),
  },
  {
    title: "the remainder of the least integer and -1",
    python: "mx.remainder(mx.array([-2**63], dtype=mx.int64), mx.array([-1], dtype=mx.int64))",
    ours: () =>
      runOp("remainder", [tensor("int64", [1], [-(2n ** 63n)]), tensor("int64", [1], [-1])]),
  },
  {
    title: "strides out of the operand",
    python: "mx.as_strided(mx.zeros(4), (2,), (2**40,), 0) + 1",
    ours: () =>
      runOp("as_strided", [tensor("float32", [1], [0])], { shape: [2], strides: [2 ** 40] }),
    code: "attribute_invalid",
  },
  {
    title: "a shape whose size overflows",
    python: "mx.zeros((2**31 - 1, 2**31 - 1))",
    ours: () => runOp("zeros", [], { shape: [HUGE, HUGE] }),
    code: "value_too_large",
  },
  {
    title: "random numbers whose size overflows",
    python: "mx.random.uniform(shape=(2**31 - 1, 2**31 - 1))",
    ours: () => runOp("random.uniform", [tensor("uint32", [2], [0, 0])], { shape: [HUGE, HUGE] }),
    code: "value_too_large",
  },
  {
    title: "a size of -1 beside one of 0",
    python: "mx.unflatten(mx.zeros((0,)), 0, (0, -1))",
    ours: () => runOp("unflatten", [tensor("float32", [0], [])], { axis: 0, shape: [0, -1] }),
    code: "shape_invalid",
  },
];

describeFatal(FATAL);
