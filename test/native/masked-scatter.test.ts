import { tensor } from "../support/data.js";
import { describeSurvival, gradients, only, type Survived } from "../support/survival.js";

const float = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
const flags = (...shape: number[]) => ({ dtype: "bool", shape }) as const;

/** Gradients of a masked scatter into 2 rows of 2, by both operands: cotangents 1 to 4. */
const masked = (
  title: string,
  [mask, marks]: readonly [mask: readonly number[], marks: readonly number[]],
  source: readonly number[],
  expected: Pick<Survived, "results" | "error">,
): Survived => {
  const count = source.reduce((product, size) => product * size, 1);
  const node = { op: "masked_scatter", inputs: [0, 1, 2] };
  const parameters = [float(2, 2), flags(...mask), float(...source)];
  return {
    title: `the gradients of masked_scatter, ${title}`,
    graph: gradients(only(parameters, node), [float(2, 2)], [0, 2]),
    inputs: [
      tensor("float32", [2, 2], [0, 0, 0, 0]),
      tensor("bool", mask, marks),
      tensor("float32", source, new Array(count).fill(1)),
      tensor("float32", [2, 2], [1, 2, 3, 4]),
    ],
    ...expected,
  };
};

describeSurvival([
  masked(
    "place by place",
    [
      [2, 2],
      [1, 0, 0, 1],
    ],
    [3],
    {
      results: [
        [0, 2, 3, 0],
        [1, 4, 0],
      ],
    },
  ),
  masked("row by row", [[2], [0, 1]], [2, 2], {
    results: [
      [1, 2, 0, 0],
      [3, 4, 0, 0],
    ],
  }),
  masked("of one row for all", [[2], [1, 1]], [2], {
    results: [
      [0, 0, 0, 0],
      [4, 6],
    ],
  }),
  masked(
    "of too few elements",
    [
      [2, 2],
      [1, 1, 1, 1],
    ],
    [1],
    { error: { code: "mlx_failed" } },
  ),
]);
