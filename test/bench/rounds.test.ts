import { describe, expect, it } from "vitest";
import { interleave, overRounds } from "../../bench/rounds.js";
import { median, quantile, round } from "../../bench/stats.js";

describe("statistics", () => {
  it("find quantiles of unsorted samples, between two where need be", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([10, 0], 0.1)).toBe(1);
    expect(quantile([7], 0.9)).toBe(7);
  });

  it("sort by value, not by text, and leave the samples as they were", () => {
    const samples = [10, 9, 100];
    expect(median(samples)).toBe(10);
    expect(samples).toEqual([10, 9, 100]);
  });

  it("refuse no samples", () => {
    expect(() => median([])).toThrow("no samples");
  });

  it("round to digits that count", () => {
    expect([round(123456), round(0.00123456), round(0)]).toEqual([123500, 0.001235, 0]);
  });
});

describe("rounds", () => {
  it("take parts in turn, one way and then the other, and drop the first round", async () => {
    const order: string[] = [];
    const part = (name: string) => async () => {
      order.push(name);
      return [order.length, order.length, 1000];
    };
    const rounds = await interleave(2, { a: part("a"), b: part("b") });
    expect(order).toEqual(["a", "b", "b", "a", "a", "b"]);
    expect(rounds).toEqual({ a: [4, 5], b: [3, 6] });
  });

  it("compare within a round: what slows a whole round down does not count", () => {
    const rounds = { ours: [20, 2000, 24, 22, 21], floor: [10, 1000, 12, 11, 10.5] };
    expect(overRounds(rounds, ({ ours, floor }) => ours / floor)).toBe(2);
  });
});
