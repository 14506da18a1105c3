import type { Dtype } from "../../../src/tensor/dtype.js";
import { filled, type TestTensor, tensor } from "../../support/data.js";
import {
  type Case,
  computed,
  describeKernels,
  type Node,
  SUM_TOLERANCE,
} from "../../support/kernels.js";

interface Scheme {
  readonly bits: number;
  readonly group_size: number;
}

/** A packed matrix, [width, depth], as inputs of a graph: what products are joined for. */
function matrix(width: number, depth: number, scheme: Scheme, dtype: Dtype): TestTensor[] {
  const { bits, group_size } = scheme;
  const words = Array.from({ length: (width * depth * bits) / 32 }, (_, i) =>
    Number((BigInt(i + width) * 2654435761n) % 2n ** 32n),
  );
  const groups = [width, depth / group_size];
  return [
    tensor("uint32", [width, (depth * bits) / 32], words),
    filled(dtype, groups, "unit", width),
    filled(dtype, groups, "unit", width + 1),
  ];
}

/** Products of the same rows with several matrices, and what else the rows are used for. */
function several(
  title: string,
  x: TestTensor,
  matrices: readonly { readonly parts: readonly TestTensor[]; readonly scheme: Scheme }[],
): Case {
  const inputs = [x, ...matrices.flatMap(({ parts }) => parts)];
  const nodes: Node[] = matrices.map(({ scheme }, index) => ({
    op: "quantized_matmul",
    inputs: [0, 1, 2, 3].map((part) => (part === 0 ? 0 : 3 * index + part)),
    attributes: { ...scheme, transpose: true },
  }));
  const results = nodes.map((_, index) => inputs.length + index);
  nodes.push({ op: "add", inputs: [results[0] as number, results.at(-1) as number] });
  nodes.push({ op: "sum", inputs: [0] });
  const values = [...results, inputs.length + results.length, inputs.length + results.length + 1];
  return computed(title, inputs, nodes, values, 10 * (SUM_TOLERANCE.float32 as number));
}

const four = { bits: 4, group_size: 32 };
const cases: Case[] = [[1], [2], [5], [40], [2, 3], [3, 1]].map((rows) => {
  const x = filled("float32", [...rows, 256], "unit", 3);
  const of = (width: number, scheme: Scheme) => ({
    parts: matrix(width, 256, scheme, "float32"),
    scheme,
  });
  return several(`[${x.type.shape}] by matrices of several packings`, x, [
    of(70, four),
    of(33, four),
    of(50, { bits: 4, group_size: 64 }),
    of(20, { bits: 8, group_size: 32 }),
    of(70, { bits: 3, group_size: 128 }),
  ]);
});

/** As above, where scales have half precision, which the products cast. */
const cast: Case[] = (["float16", "bfloat16"] as const).map((dtype) => {
  const x = filled("float32", [1, 256], "unit", 3);
  return several(
    `float32 rows by matrices with scales of ${dtype}`,
    x,
    [90, 40, 90].map((width) => ({ parts: matrix(width, 256, four, dtype), scheme: four })),
  );
});

describeKernels("products of the same rows", [...cases, ...cast]);
