import { describe, expect, it } from "vitest";
import { smallerBytes } from "../../fuzz/bytes/smaller.js";
import type { Recipe } from "../../fuzz/graphs/recipe.js";
import { smallerRecipes } from "../../fuzz/graphs/smaller.js";
import { reduce } from "../../fuzz/reduce.js";

const LATER = Number.POSITIVE_INFINITY;
const f32 = (...shape: number[]) => ({ dtype: "float32", shape }) as const;

const RECIPE: Recipe = {
  body: {
    parameters: [f32(4, 5), f32(4, 5), f32(9)],
    nodes: [
      {
        op: "add",
        inputs: [{ parameter: 0 }, { parameter: 1 }],
        attributes: {},
        types: [f32(4, 5)],
      },
      {
        op: "sum",
        inputs: [{ node: 0, output: 0 }],
        attributes: { axes: [1], keepdims: true },
        types: [f32(4, 1)],
        label: "s",
      },
      { op: "exp", inputs: [{ node: 1, output: 0 }], attributes: {}, types: [f32(4, 1)] },
      { op: "sin", inputs: [{ parameter: 2 }], attributes: {}, types: [f32(9)] },
    ],
    results: [
      { node: 2, output: 0 },
      { node: 3, output: 0 },
    ],
  },
  wraps: [
    { kind: "for", count: 2, operand: false },
    { kind: "call", times: 1 },
  ],
  fills: [{ style: "hostile", seed: 1 }],
  subscriptions: [{ policy: "every" }],
};

describe("a case that fails is made smaller", () => {
  it("leaves of a graph the node at fault, its operand and nothing else", async () => {
    const smallest = await reduce(
      RECIPE,
      smallerRecipes,
      async ({ body }) => body.nodes.some(({ op, inputs }) => op === "sum" && inputs[0] !== null),
      LATER,
    );
    expect(smallest).toEqual({
      body: {
        parameters: [f32()],
        nodes: [{ op: "sum", inputs: [{ parameter: 0 }], attributes: {}, types: [f32(4, 1)] }],
        results: [{ node: 0, output: 0 }],
      },
      wraps: [],
      fills: [{ style: "zeros", seed: 1 }],
      subscriptions: [],
    });
  });

  it("keeps what the fault needs", async () => {
    const smallest = await reduce(
      RECIPE,
      smallerRecipes,
      async ({ body, wraps }) =>
        wraps.some(({ kind }) => kind === "for") &&
        body.nodes.some(({ op }) => op === "sum") &&
        body.nodes.some(({ op }) => op === "add"),
      LATER,
    );
    expect(smallest.wraps.map(({ kind }) => kind)).toEqual(["for"]);
    expect(smallest.body.nodes.map(({ op }) => op)).toEqual(["add", "sum"]);
  });

  it("leaves of bytes those at fault", async () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => index & 0xff);
    const fails = async (item: Uint8Array) => item.includes(77) && item.includes(200);
    const smallest = await reduce(bytes, smallerBytes, fails, LATER);
    expect([...smallest]).toEqual([77, 200]);
  });

  it("ends when its time is over", async () => {
    const same = await reduce(RECIPE, smallerRecipes, async () => true, 0);
    expect(same).toBe(RECIPE);
  });
});
