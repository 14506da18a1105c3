import type { Attribute } from "../../../src/graph/graph.js";
import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled, scalar, type TestTensor, tensor } from "../../support/data.js";
import { type Case, computed, describeKernels, type Node } from "../../support/kernels.js";

const rope = (inputs: readonly number[], attributes: Record<string, Attribute>): Node => ({
  op: "fast.rope",
  inputs,
  attributes: { dims: 16, traditional: false, base: 10000, scale: 1, ...attributes },
});

/** MLX's rope of one operand, from a position on. */
function turned(
  dtype: Dtype,
  shape: readonly number[],
  attributes: Record<string, Attribute> = {},
  offset: TestTensor = scalar("int32", 7),
): Case {
  const inputs = [filled(dtype, shape, "unit", 1), offset];
  const title = `${dtype}[${shape}] ${JSON.stringify(attributes)} from [${offset.type.shape}]`;
  return computed(title, inputs, [rope([0, 1], attributes)], undefined, 1e-5);
}

const cases: Case[] = [true, false].flatMap((traditional) => [
  turned("float32", [2, 3, 5, 16], { traditional }),
  turned("float32", [1, 3, 1, 16], { traditional }),
  turned("float32", [2, 5, 16], { traditional }),
  turned("float32", [2, 2, 3, 5, 16], { traditional }),
  // Angles of far positions differ by what their frequencies do.
  { ...turned("float32", [1, 9, 700, 64], { traditional, dims: 64 }), tolerance: 2e-4 },
  turned("float32", [2, 3, 5, 20], { traditional }),
  turned("float32", [2, 3, 5, 16], { traditional, scale: 0.25, base: 100 }),
  turned("float32", [2, 3, 5, 16], { traditional }, tensor("int32", [2], [3, 11])),
  { ...turned("float16", [2, 3, 5, 16], { traditional }), tolerance: 2e-3 },
  computed(
    `two operands, one of them transposed, by the same angles, traditional ${traditional}`,
    [
      filled("float32", [1, 5, 3, 16], "unit", 2),
      filled("float32", [1, 2, 5, 16], "unit", 3),
      scalar("int32", 4),
    ],
    [
      { op: "transpose", inputs: [0], attributes: { axes: [0, 2, 1, 3] } },
      rope([3, 2], { traditional }),
      rope([1, 2], { traditional }),
      { op: "sum", inputs: [4] },
    ],
    [4, 5, 6],
    1e-5,
  ),
  computed(
    `every second column, traditional ${traditional}`,
    [filled("float32", [2, 3, 5, 32], "unit", 4), scalar("int32", 4)],
    [
      {
        op: "slice",
        inputs: [0],
        attributes: { start: [0, 0, 0, 0], stop: [2, 3, 5, 32], strides: [1, 1, 1, 2] },
      },
      rope([2, 1], { traditional }),
    ],
    undefined,
    1e-5,
  ),
]);

describeKernels("pairs that are turned", [
  ...cases,
  computed(
    "by hand, with sines that are the cosines of the other half",
    [
      filled("float32", [2, 5, 16], "unit", 5),
      filled("float32", [5, 8], "unit", 6),
      filled("float32", [5, 8], "unit", 7),
    ],
    [
      ...[0, 8].map((first) => ({
        op: "slice",
        inputs: [0],
        attributes: { start: [0, 0, first], stop: [2, 5, first + 8], strides: [1, 1, 1] },
      })),
      { op: "multiply", inputs: [3, 1] },
      { op: "multiply", inputs: [4, 2] },
      { op: "subtract", inputs: [5, 6] },
      { op: "multiply", inputs: [3, 2] },
      { op: "multiply", inputs: [4, 1] },
      { op: "add", inputs: [8, 9] },
      { op: "multiply", inputs: [4, 2] },
      { op: "add", inputs: [8, 11] },
      { op: "concatenate", inputs: [7, 10], attributes: { axis: 2 } },
      { op: "concatenate", inputs: [7, 12], attributes: { axis: 2 } },
      { op: "concatenate", inputs: [10, 7], attributes: { axis: 2 } },
    ],
    [13, 14, 15],
    1e-6,
  ),
]);
