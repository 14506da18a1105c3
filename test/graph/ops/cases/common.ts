import type { Attributes } from "../../../../src/graph/graph.js";
import type { Dtype } from "../../../../src/tensor/dtype.js";
import { type Fill, filled, kindOf, specials } from "../../../support/data.js";
import type { OpCase, OpCases } from "../../../support/op-cases.js";

export const FLOATS = ["float16", "bfloat16", "float32", "float64"] as const;
export const INTEGERS = [
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "int8",
  "int16",
  "int32",
  "int64",
] as const;

/** Tells whether a dtype has NaN and infinities. */
export function isInexact(dtype: Dtype): boolean {
  const kind = kindOf(dtype);
  return kind === "float" || kind === "complex";
}

/** One tensor in the usual shapes: a matrix, a scalar, nothing, and the values that kernels get wrong. */
export function unary(fill: Fill = "any", attributes: Attributes = {}): OpCases {
  return {
    calls: (dtype) => [
      ...[[3, 4], [2, 3, 5], [], [2, 0, 3]].map(
        (shape): OpCase => ({ inputs: [filled(dtype, shape, fill)], attributes }),
      ),
      ...(isInexact(dtype) ? [{ inputs: [specials(dtype)], attributes }] : []),
    ],
  };
}

/** Two tensors: alike, broadcast both ways, a scalar, nothing, other dtypes, special values. */
export function binary(left: Fill = "any", right: Fill = "any", other: Dtype = "int32"): OpCases {
  return {
    calls: (dtype) => {
      const pairs: readonly (readonly [readonly number[], readonly number[]])[] = [
        [
          [3, 4],
          [3, 4],
        ],
        [[3, 1], [4]],
        [[], [2, 3]],
        [[2, 3], []],
        [[], []],
        [
          [0, 3],
          [1, 3],
        ],
      ];
      return [
        ...pairs.map(
          ([a, b]): OpCase => ({
            inputs: [filled(dtype, a, left, 1), filled(dtype, b, right, 2)],
          }),
        ),
        { inputs: [filled(dtype, [6], left, 3), filled(other, [6], right, 4)] },
        ...(isInexact(dtype) ? [{ inputs: [specials(dtype), reversed(dtype)] }] : []),
      ];
    },
  };
}

/** The special values the other way round, so that each meets another. */
function reversed(dtype: Dtype) {
  const { type, bytes } = specials(dtype);
  const width = bytes.length / (type.shape[0] as number);
  const items = Array.from({ length: type.shape[0] as number }, (_, index) =>
    bytes.slice(index * width, (index + 1) * width),
  );
  return { type, bytes: new Uint8Array(Buffer.concat(items.reverse())) };
}

/** The same cases on fewer dtypes. */
export function only(dtypes: readonly Dtype[], cases: OpCases): OpCases {
  return { ...cases, dtypes };
}

/** Cases of several makers together. */
export function together(...all: readonly OpCases[]): OpCases {
  const dtypes = all[0]?.dtypes;
  return {
    ...(dtypes === undefined ? {} : { dtypes }),
    calls: (dtype) => all.flatMap((cases) => cases.calls(dtype)),
  };
}

/** Every set of attributes on every shape. */
export function grid(
  shapes: readonly (readonly number[])[],
  attributes: readonly Attributes[],
  fill: Fill = "any",
): OpCases {
  return {
    calls: (dtype) =>
      shapes.flatMap((shape) =>
        attributes.map((set) => ({ inputs: [filled(dtype, shape, fill)], attributes: set })),
      ),
  };
}

/** MLX computes some functions of float64 with the precision of float32; the engine does not. */
export const likeFloat32 = (cases: OpCases): OpCases => ({
  ...cases,
  tolerance: { float64: 2e-6 },
});
