import { beforeAll, describe, expect, it } from "vitest";
import type { GraphNode } from "../../../src/graph/graph.js";
import type { Dtype } from "../../../src/tensor/dtype.js";
import { difference } from "../../support/compare.js";
import { filled, type TestTensor } from "../../support/data.js";
import { graph } from "../../support/graphs.js";
import { type Computation, computeWith, instructionSets } from "../../support/kernels.js";

type Node = Pick<GraphNode, "op" | "inputs" | "attributes">;

const ARITHMETIC = ["add", "subtract", "maximum", "minimum"];
const COMPARISONS = ["less", "greater_equal", "equal", "not_equal"];
const LOGIC = ["logical_and", "logical_or"];
const SHAPE = [3, 70, 10];
const AXES = [[0], [1], [2], [0, 2], [1, 2]];

/** Draws from a list; the same for one seed. */
function generator(seed: number): <Item>(items: readonly Item[]) => Item {
  let state = (seed * 2654435761) >>> 0;
  return (items) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return items[Math.floor((state / 2 ** 32) * items.length)] as never;
  };
}

/**
 * A program in which values are used many times, by ops whose results are the same to the bit whoever computes them:
 * what is wrong here is where values lie, not how they are computed.
 */
function drawn(seed: number): Computation {
  const pick = generator(seed);
  const dtype = pick<Dtype>(["float32", "float16", "bfloat16", "int32", "int8"]);
  // Mostly of the same dimensions, so that much becomes one program.
  const axes = [pick(AXES), pick(AXES)];
  const numbers = [0, 1];
  const narrow: number[] = [];
  const conditions = [2];
  const nodes: Node[] = [];
  const push = (op: string, inputs: number[], attributes: Node["attributes"] = {}): number => {
    nodes.push({ op, inputs, attributes });
    return 2 + nodes.length;
  };
  for (let i = 0; i < 24; i++) {
    // Of the newest values, so that others are used for the last time.
    const [a, b] = [pick(numbers.slice(-4)), pick(numbers.slice(-4))];
    const [c, d] = [pick(conditions.slice(-4)), pick(conditions.slice(-4))];
    const kind = pick([
      "arithmetic",
      "arithmetic",
      "compare",
      "logic",
      "not",
      "where",
      "choose",
      "row",
    ]);
    if (kind === "arithmetic") numbers.push(push(pick(ARITHMETIC), [a, b]));
    else if (kind === "compare") conditions.push(push(pick(COMPARISONS), [a, b]));
    else if (kind === "logic") conditions.push(push(pick(LOGIC), [c, d]));
    else if (kind === "not") conditions.push(push("logical_not", [c]));
    else if (kind === "where") numbers.push(push("where", [c, a, b]));
    else if (kind === "choose") conditions.push(push("where", [c, d, pick([c, d])]));
    else {
      narrow.push(push(pick(["max", "min"]), [a], { axes: pick(axes), keepdims: true }));
      numbers.push(push(pick(ARITHMETIC), [b, pick(narrow)]));
    }
  }
  const inputs = [
    filled(dtype, SHAPE, "small", seed + 1),
    filled(dtype, SHAPE, "small", seed + 2),
    filled("bool", SHAPE, "any", seed + 3),
  ];
  const results = [numbers.at(-1), conditions.at(-1), pick(numbers)] as number[];
  return {
    graph: graph(
      inputs.map(({ type }) => type),
      nodes,
      results,
    ),
    inputs,
  };
}

describe("programs drawn at random", () => {
  const programs = Array.from({ length: 300 }, (_, seed) => drawn(seed));
  let expected: TestTensor[][];
  beforeAll(async () => {
    expected = await computeWith("mlx", programs);
  });

  it.each(instructionSets())("have MLX's results with %s", async (set) => {
    const actual = await computeWith(set, programs);
    const wrong = expected.flatMap((results, seed) =>
      results.map((result, place) => {
        const problem = difference(actual[seed]?.[place] as TestTensor, result, 0);
        return problem && `seed ${seed}, result ${place}: ${problem}`;
      }),
    );
    expect(wrong.filter((problem) => problem !== undefined)).toEqual([]);
  });
});
