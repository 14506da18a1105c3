import { describe, expect, it } from "vitest";
import type { Attributes } from "../../../src/graph/graph.js";
import { checkCall } from "../../../src/graph/ops/index.js";
import type { Dtype, TensorType } from "../../../src/tensor/dtype.js";
import { decode, filled, type TestTensor, tensor } from "../../support/data.js";
import { describeFatal, type Fatal } from "../../support/fatal.js";
import { codeOf } from "../../support/op-cases.js";
import { runOp } from "../../support/run-op.js";
import { INTEGERS } from "./cases/common.js";

const HUGE = 2 ** 31 - 1;

const float = (...shape: number[]): TensorType => ({ dtype: "float32", shape });
const index = (...shape: number[]): TensorType => ({ dtype: "int32", shape });

/** Calls that are refused: op, operands, attributes, code. */
const REFUSED: readonly (readonly [string, readonly TensorType[], Attributes, string])[] = [
  ["slice", [float(4)], { start: [0], stop: [4], strides: [0] }, "attribute_invalid"],
  ["slice", [float(4)], { start: [0, 0], stop: [4] }, "attribute_invalid"],
  ["slice", [float(4)], { start: [0], stop: [2 ** 31] }, "value_too_large"],
  ["slice", [float(4)], { start: [0], stop: [4], strides: [-(2 ** 31)] }, "attribute_invalid"],
  ["slice_update_add", [float(4), float()], { start: [], stop: [] }, "attribute_invalid"],
  ["dynamic_slice", [float(4), float(1)], { axes: [0], slice_size: [2] }, "dtype_unsupported"],
  ["dynamic_slice", [float(4), index(2)], { axes: [0], slice_size: [2] }, "shape_invalid"],
  ["dynamic_slice", [float(4), index(1, 1)], { axes: [0], slice_size: [2] }, "shape_invalid"],
  ["dynamic_slice", [float(4), index(1)], { axes: [0], slice_size: [-1] }, "attribute_invalid"],
  ["dynamic_slice", [float(4), index(1)], { axes: [0], slice_size: [5] }, "attribute_invalid"],
  ["dynamic_slice", [float(4, 4), index(2)], { axes: [0, -2], slice_size: [1, 1] }, "axis_invalid"],
  ["dynamic_slice_update", [float(4), float(5), index(1)], { axes: [0] }, "shape_invalid"],
  ["dynamic_slice_update", [float(4), float(1, 4), index(1)], { axes: [0] }, "shape_invalid"],
  ["take", [float(0), index(1)], {}, "shape_invalid"],
  ["take", [float(0, 3), index(1)], { axis: 0 }, "shape_invalid"],
  ["take", [float(3), float(1)], {}, "dtype_unsupported"],
  ["take", [float(2 ** 16, 2 ** 16), index(1)], {}, "value_too_large"],
  ["take", [float(), index(1)], { axis: 0 }, "axis_invalid"],
  ["take_along_axis", [float(3), float(3)], { axis: 0 }, "dtype_unsupported"],
  ["take_along_axis", [float(0, 3), index(1, 3)], { axis: 0 }, "shape_invalid"],
  ["take_along_axis", [float(3, 3), index(3)], { axis: 0 }, "shape_invalid"],
  ["take_along_axis", [float(3, 3), index(3, 2)], { axis: 0 }, "shape_invalid"],
  ["put_along_axis", [float(3), float(3), float(3)], { axis: 0 }, "dtype_unsupported"],
  ["scatter_add_axis", [float(3), index(3), float(3)], { axis: 1 }, "axis_invalid"],
  ["gather", [float(3)], { axes: [], slice_sizes: [1] }, "arity_invalid"],
  ["gather", [float(3), index(1)], { axes: [0, 0], slice_sizes: [1] }, "axis_invalid"],
  ["gather", [float(3), index(1)], { axes: [0], slice_sizes: [4] }, "attribute_invalid"],
  [
    "gather",
    [float(3, 3), index(2), index(3)],
    { axes: [0, 1], slice_sizes: [1, 1] },
    "shape_invalid",
  ],
  [
    "gather",
    [float(3), { dtype: "bool", shape: [3] }],
    { axes: [0], slice_sizes: [1] },
    "dtype_unsupported",
  ],
  [
    "scatter",
    [float(3), float(1, 1), { dtype: "bool", shape: [1] }],
    { axes: [0] },
    "dtype_unsupported",
  ],
  ["scatter", [float(3), float(1), index(1)], { axes: [0] }, "shape_invalid"],
  ["scatter", [float(3), float(1, 4), index(1)], { axes: [0] }, "shape_invalid"],
  ["scatter_max", [float(3), float(2, 1), index(1)], { axes: [0] }, "shape_invalid"],
  ["masked_scatter", [float(3), index(3), float(3)], {}, "dtype_unsupported"],
  ["diag", [float(3)], { k: HUGE }, "value_too_large"],
  ["diag", [float(3)], { k: -(2 ** 31) }, "attribute_invalid"],
  ["diagonal", [float(3)], {}, "shape_invalid"],
  ["diagonal", [float(3, 3)], { axis1: 1, axis2: -1 }, "axis_invalid"],
  ["trace", [float(3, 3)], { axis1: 2 }, "axis_invalid"],

  ["fft.fft", [float(0)], {}, "shape_invalid"],
  ["fft.fft", [float(4)], { n: 0 }, "attribute_invalid"],
  ["fft.fft", [float(4)], { n: 2 ** 31 }, "value_too_large"],
  ["fft.fft", [float()], {}, "axis_invalid"],
  ["fft.irfft", [float(1)], {}, "shape_invalid"],
  ["fft.fft2", [float(4)], {}, "shape_invalid"],
  ["fft.fftn", [float(3, 3)], { axes: [] }, "axis_invalid"],
  ["fft.fftn", [float(3, 3)], { axes: [0, -2] }, "axis_invalid"],
  ["fft.rfftn", [float(3, 3)], { s: [3] }, "attribute_invalid"],
  ["fft.fftshift", [float(3)], { axes: [1] }, "axis_invalid"],
  ["fft.fftfreq", [], { n: 0 }, "attribute_invalid"],
  ["fft.rfftfreq", [], { n: 4, d: 0 }, "attribute_invalid"],
  ["fft.stft", [float(20)], { n_fft: 0 }, "attribute_invalid"],
  ["fft.stft", [float(20)], { n_fft: 8, hop_length: 0 }, "attribute_invalid"],
  ["fft.stft", [float(20)], { n_fft: 8, win_length: 9 }, "attribute_invalid"],
  ["fft.stft", [float(0)], { n_fft: 8 }, "shape_invalid"],
  ["fft.stft", [float(3)], { n_fft: 8, center: false }, "shape_invalid"],
  ["fft.stft", [float(2)], { n_fft: 2 ** 20 }, "value_too_large"],
  ["fft.istft", [float(5, 0)], {}, "shape_invalid"],
  ["fft.istft", [float(5, 5)], { length: -1 }, "attribute_invalid"],
  ["fft.istft", [float(5, 5)], { hop_length: 2 ** 30 }, "value_too_large"],
  ["fft.istft", [float(32, 40)], { n_fft: 2 ** 30, hop_length: 24 }, "value_too_large"],
];

describe("what the table refuses before MLX sees it", () => {
  it.each(REFUSED)("%s of %o with %o", (op, inputs, attributes, code) => {
    expect(codeOf(() => checkCall({ op, inputs, attributes }))).toBe(code);
  });

  it("names the value and what was expected", () => {
    expect(() =>
      checkCall({ op: "take", inputs: [float(3), float(1)], attributes: { axis: 0 } }),
    ).toThrow("indices are float32; expected integers");
  });
});

/** The least and the greatest value of an integer type, and one in between where it has one. */
function extremes(dtype: Dtype): bigint[] {
  const width = BigInt(dtype.replace(/\D/g, ""));
  return dtype.startsWith("u")
    ? [0n, 2n ** width - 1n]
    : [-(2n ** (width - 1n)), 2n ** (width - 1n) - 1n, -1n];
}

describe.each(INTEGERS)("indices of %s", (dtype) => {
  const at = tensor(dtype, [extremes(dtype).length], extremes(dtype));
  // An axis longer than what 8 bits count, so that the clamping itself could overflow.
  const size = 1000;
  const a = tensor(
    "int32",
    [size],
    Array.from({ length: size }, (_, place) => place),
  );
  const wrapped = extremes(dtype).map((value) => {
    const place = value < 0n ? value + BigInt(size) : value;
    return Number(place < 0n ? 0n : place > 999n ? 999n : place);
  });
  const values = async (op: string, inputs: readonly TestTensor[], attributes: Attributes) => {
    const [output] = await runOp(op, inputs, attributes);
    return decode(output as TestTensor).map(Number);
  };

  it("are clamped", async () => {
    expect(await values("take", [a, at], { axis: 0 })).toEqual(wrapped);
    expect(await values("take_along_axis", [a, at], { axis: 0 })).toEqual(wrapped);
    expect(await values("gather", [a, at], { axes: [0], slice_sizes: [1] })).toEqual(wrapped);
  });

  it("are clamped so that a slice fits", async () => {
    const starts = extremes(dtype).map((value) => {
      const place = value < 0n ? value + BigInt(size) : value;
      return Number(place < 0n ? 0n : place > 990n ? 990n : place);
    });
    const slices = await values("gather", [a, at], { axes: [0], slice_sizes: [10] });
    expect(slices).toEqual(
      starts.flatMap((start) => Array.from({ length: 10 }, (_, i) => start + i)),
    );
  });

  it("do not count from the end as starts", async () => {
    for (const start of extremes(dtype)) {
      const first = Number(start < 0n ? 0n : start > 998n ? 998n : start);
      const inputs = [a, tensor(dtype, [1], [start])];
      const part = await values("dynamic_slice", inputs, { axes: [0], slice_size: [2] });
      expect(part).toEqual([first, first + 1]);
    }
  });
});

const far = tensor("int32", [1], [900_000_000]);
const vector = filled("float32", [4]);

const FATAL: readonly Fatal[] = [
  {
    title: "take out of range",
    python: "mx.take(mx.zeros(4), mx.array([900000000]))",
    ours: () => runOp("take", [vector, far]),
  },
  {
    title: "take_along_axis out of range",
    python: "mx.take_along_axis(mx.zeros(4), mx.array([900000000]), 0)",
    ours: () => runOp("take_along_axis", [vector, far], { axis: 0 }),
  },
  {
    title: "put_along_axis out of range",
    python: "mx.put_along_axis(mx.zeros(4), mx.array([900000000]), mx.array(1.0), 0)",
    ours: () => runOp("put_along_axis", [vector, far, filled("float32", [])], { axis: 0 }),
  },
  {
    title: "gather out of range",
    python: "mx.zeros((4, 4))[mx.array([900000000])]",
    ours: () =>
      runOp("gather", [filled("float32", [4, 4]), far], { axes: [0], slice_sizes: [1, 4] }),
  },
  {
    title: "scatter_add out of range",
    python: "mx.zeros(4).at[mx.array([900000000])].add(mx.ones(1))",
    ours: () => runOp("scatter_add", [vector, filled("float32", [1, 1]), far], { axes: [0] }),
  },
  {
    title: "scatter_prod out of range",
    python: "mx.zeros(4).at[mx.array([900000000])].multiply(mx.ones(1))",
    ours: () => runOp("scatter_prod", [vector, filled("float32", [1, 1]), far], { axes: [0] }),
  },
  {
    title: "a start out of range",
    python: "mx.slice(mx.zeros(4), mx.array([900000000]), [0], [2])",
    ours: () => runOp("dynamic_slice", [vector, far], { axes: [0], slice_size: [2] }),
  },
  {
    title: "a negative start",
    python: "mx.slice(mx.zeros(4), mx.array([-900000000]), [0], [2])",
    ours: () =>
      runOp("dynamic_slice", [vector, tensor("int32", [1], [-900_000_000])], {
        axes: [0],
        slice_size: [2],
      }),
  },
  {
    title: "an update's start out of range",
    python: "mx.slice_update(mx.zeros(4), mx.ones(2), mx.array([900000000]), [0])",
    ours: () => runOp("dynamic_slice_update", [vector, filled("float32", [2]), far], { axes: [0] }),
  },
  {
    title: "an update with more axes than the tensor",
    python: "mx.slice_update(mx.zeros((4, 4)), mx.ones((3, 2, 2)), mx.array([0]), [1])",
    ours: () =>
      runOp(
        "dynamic_slice_update",
        [filled("float32", [4, 4]), filled("float32", [3, 2, 2]), tensor("int32", [1], [0])],
        { axes: [1] },
      ),
    code: "shape_invalid",
  },
];

describeFatal(FATAL);
