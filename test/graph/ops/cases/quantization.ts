import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { filled, scalar, type TestTensor, tensor } from "../../../support/data.js";
import type { CaseTable, OpCase, OpCases } from "../../../support/op-cases.js";
import { FLOATS } from "./common.js";

type Shape = readonly number[];

const AFFINE: readonly Attributes[] = [
  {},
  { group_size: 32, bits: 8 },
  { group_size: 128, bits: 2 },
  { group_size: 32, bits: 3 },
  { bits: 5 },
  { bits: 6 },
  { bits: 1 },
];
const BLOCKS: readonly Attributes[] = [{ mode: "mxfp4" }, { mode: "mxfp8" }, { mode: "nvfp4" }];

const GROUPS: Readonly<Record<string, number>> = { mxfp4: 32, mxfp8: 32, nvfp4: 16 };
const BITS: Readonly<Record<string, number>> = { mxfp8: 8 };

/** What a matrix of this shape packs to, made up: words, scales, and biases for affine ones. */
function packed(shape: Shape, attributes: Attributes, dtype: Dtype): (TestTensor | null)[] {
  const mode = attributes.mode as string | undefined;
  const bits = Number(attributes.bits ?? BITS[mode ?? ""] ?? 4);
  const group = Number(attributes.group_size ?? GROUPS[mode ?? ""] ?? 64);
  const rows = shape.slice(0, -1);
  const length = shape.at(-1) as number;
  const bytes = filled("uint8", [...rows, (length * bits) / 8], "any", 7).bytes;
  const words = {
    type: { dtype: "uint32" as const, shape: [...rows, (length * bits) / 32] },
    bytes: Uint8Array.from(bytes, (byte) => (byte * 37) & 0xff),
  };
  const perGroup = [...rows, length / group];
  if (mode === undefined) {
    return [words, filled(dtype, perGroup, "positive", 8), filled(dtype, perGroup, "positive", 9)];
  }
  // Exponents, or 8-bit floats, near 1.
  const count = perGroup.reduce((a, b) => a * b, 1);
  const one = mode === "nvfp4" ? 56 : 127;
  return [
    words,
    tensor(
      "uint8",
      perGroup,
      Array.from({ length: count }, (_, i) => one - 3 + (i % 5)),
    ),
    null,
  ];
}

const quantize: OpCases = {
  dtypes: FLOATS,
  calls: (dtype) => [
    ...[...AFFINE, ...BLOCKS].map(
      (attributes): OpCase => ({ inputs: [filled(dtype, [4, 128]), null], attributes }),
    ),
    { inputs: [filled(dtype, [2, 3, 64]), null] },
    { inputs: [filled(dtype, [0, 64]), null] },
    { inputs: [filled(dtype, [4, 0]), null] },
    { inputs: [filled(dtype, [2, 16]), scalar("float32", 2)], attributes: { mode: "nvfp4" } },
  ],
};

/** Tested on the dtype of packed words alone. */
const dequantize: OpCases = {
  dtypes: ["uint32"],
  calls: () => [
    ...(["float32", "float16", "bfloat16", "float64"] as const).flatMap((dtype) =>
      AFFINE.map(
        (attributes): OpCase => ({
          inputs: [...packed([4, 128], attributes, dtype), null],
          attributes,
        }),
      ),
    ),
    ...BLOCKS.flatMap((attributes) =>
      [{}, { dtype: "float32" }, { dtype: "float64" }]
        .map((dtype) => ({ ...attributes, ...dtype }))
        .map(
          (set): OpCase => ({
            inputs: [...packed([4, 128], attributes, "float32"), null],
            attributes: set,
          }),
        ),
    ),
    { inputs: [...packed([2, 3, 64], {}, "float32"), null], attributes: { dtype: "float16" } },
    {
      inputs: [...packed([4, 32], { mode: "nvfp4" }, "float32"), scalar("float32", 2)],
      attributes: { mode: "nvfp4" },
    },
  ],
};

const TOLERANCE: Partial<Record<Dtype, number>> = { float16: 1e-2, bfloat16: 4e-2, float32: 1e-5 };
const within = (dtype: Dtype, one: OpCase): OpCase => ({
  ...one,
  tolerance: TOLERANCE[dtype] ?? 1e-5,
});

/**
 * The first factor of a product. MLX rounds every sum of half precision, and the kernels only the last: rows of it have
 * one number that is not zero.
 */
function factor(dtype: Dtype, shape: Shape): TestTensor {
  if (dtype === "float32") return filled(dtype, shape, "unit", 1);
  const length = shape.at(-1) as number;
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, place) =>
    place % length === (Math.floor(place / length) * 37 + 5) % length ? 0.75 : 0,
  );
  return tensor(dtype, shape, values);
}

const matmul: OpCases = {
  dtypes: FLOATS,
  calls: (dtype) => {
    const x = (...shape: number[]) => factor(dtype, shape);
    const weights = (shape: Shape, attributes: Attributes = {}) => packed(shape, attributes, dtype);
    return [
      ...[...AFFINE, ...BLOCKS].map(
        (attributes): OpCase => ({
          inputs: [x(3, 128), ...weights([8, 128], attributes)],
          attributes,
        }),
      ),
      { inputs: [x(3, 8), ...weights([8, 128])], attributes: { transpose: false } },
      { inputs: [x(128), ...weights([8, 128])] },
      { inputs: [x(2, 3, 128), ...weights([8, 128])] },
      { inputs: [x(2, 3, 128), ...weights([2, 8, 128])] },
      { inputs: [x(0, 3, 128), ...weights([8, 128])] },
      // Python MLX dies of these.
      { inputs: [x(0, 128), ...weights([8, 128])], expected: [tensor(dtype, [0, 8], [])] },
      { inputs: [x(2, 0), ...weights([2, 0])], expected: [tensor(dtype, [2, 2], [0, 0, 0, 0])] },
    ].map((one) => within(dtype, one));
  },
};

const gather: OpCases = {
  dtypes: FLOATS,
  calls: (dtype) => {
    const x = factor(dtype, [2, 3, 128]);
    const weights = (attributes: Attributes) => packed([4, 8, 128], attributes, dtype);
    const at = (kind: Dtype, ...values: number[]) => tensor(kind, [values.length], values);
    return [
      ...[{}, { bits: 8, group_size: 32 }, ...BLOCKS].map(
        (attributes: Attributes): OpCase => ({
          inputs: [x, ...weights(attributes), at("uint32", 0, 1, 1), at("uint32", 3, 0, 2)],
          attributes,
        }),
      ),
      { inputs: [x, ...weights({}), at("int32", -4, 99), at("int64", 2 ** 40, -1)] },
      {
        inputs: [factor(dtype, [3, 128]), ...weights({}), null, at("uint8", 1, 3)],
        attributes: { sorted_indices: true },
      },
      { inputs: [factor(dtype, [4, 2, 128]), ...weights({}), null, null] },
      {
        inputs: [filled(dtype, [2, 0, 128]), ...weights({}), at("uint32", 1), at("uint32", 2)],
        expected: [tensor(dtype, [1, 0, 8], [])],
      },
    ].map((one) => within(dtype, one));
  },
};

const toFp8: OpCases = {
  calls: (dtype) => [
    { inputs: [filled(dtype, [3, 8])] },
    { inputs: [filled(dtype, [])] },
    { inputs: [filled(dtype, [0, 2])] },
  ],
};

const fromFp8: OpCases = {
  dtypes: ["uint8"],
  calls: () => {
    // Every bit pattern but the two of NaN, which are compared as NaN anyway.
    const all = tensor(
      "uint8",
      [256],
      Array.from({ length: 256 }, (_, index) => index),
    );
    return [
      { inputs: [all], attributes: {} },
      ...FLOATS.map((dtype) => ({ inputs: [all], attributes: { dtype } })),
      { inputs: [tensor("uint8", [0], [])], attributes: { dtype: "float32" } },
    ];
  },
};

export const QUANTIZATION_CASES: CaseTable = {
  quantize,
  dequantize,
  quantized_matmul: matmul,
  gather_qmm: gather,
  to_fp8: toFp8,
  from_fp8: fromFp8,
};
