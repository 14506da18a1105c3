import { describe, expect, it } from "vitest";
import { KINDS } from "../../fuzz/campaigns/kinds.js";
import { differenceOf } from "../../fuzz/compare.js";
import { filled } from "../../fuzz/graphs/fill.js";
import type { Recipe } from "../../fuzz/graphs/recipe.js";
import type { Outcome } from "../../fuzz/outcome.js";
import { decode, tensor } from "../support/data.js";

const run = (...values: number[]): Outcome => ({
  kind: "ok",
  digest: String(values),
  values: [tensor("float32", [values.length], values)],
});

describe("differenceOf", () => {
  it("finds values that are further apart than sums in another order", () => {
    expect(differenceOf(run(1, 2), run(1, 2.001))).toBeUndefined();
    expect(differenceOf(run(1, 2), run(1, 3))).toBe("value 0: 2 and 3 at 1 of float32[2]");
  });

  it("allows a value what moving the data by a last digit does to it, and no other value", () => {
    expect(differenceOf(run(1, 2), run(1, 3), run(1, 2.9))).toBeUndefined();
    expect(differenceOf(run(2, 1), run(3, 1), run(3, 0.9))).toBe(
      "value 0: 2 and 3 at 0 of float32[2]",
    );
    expect(differenceOf(run(1), run(Number.NaN), run(0))).toBe(
      "value 0: 1 and NaN at 0 of float32[1]",
    );
  });
});

describe("nudged data", () => {
  it("are moved by about a last digit, and integers not at all", () => {
    const values = (dtype: "float16" | "int32", nudged: boolean) => {
      const type = { dtype, shape: [64] };
      return decode({ type, bytes: filled(type, { style: "tame", seed: 3, nudged }) });
    };
    const [before, after] = [values("float16", false), values("float16", true)];
    expect(after).not.toEqual(before);
    for (const [index, value] of before.entries()) {
      const distance = Math.abs(Number(after[index]) - Number(value));
      expect(distance).toBeLessThanOrEqual(Math.abs(Number(value)) * 2 ** -9);
    }
    expect(values("int32", true)).toEqual(values("int32", false));
  });
});

describe("kernels", () => {
  const recipe = (style: "tame" | "rare", op: string, attributes = {}): Recipe => ({
    body: { parameters: [], nodes: [{ op, inputs: [], attributes, types: [] }], results: [] },
    wraps: [],
    fills: [{ style, seed: 1 }],
    subscriptions: [],
  });

  it("are compared with MLX's where nothing overflows and nothing jumps", () => {
    const rules = KINDS.find(({ name }) => name === "graphs")?.kernels;
    const isCalm = (item: Recipe) => rules?.isCalm(item);
    expect(isCalm(recipe("tame", "add"))).toBe(true);
    expect(isCalm(recipe("rare", "add"))).toBe(false);
    expect(isCalm(recipe("tame", "floor"))).toBe(false);
    expect(isCalm(recipe("tame", "fast.rope", { scale: 2 ** 31 }))).toBe(false);
    expect(rules?.nudged(recipe("tame", "add"))).toMatchObject({
      fills: [{ style: "tame", seed: 1, nudged: true }],
    });
  });
});
