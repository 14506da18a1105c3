import { expect, it } from "vitest";
import { Random } from "../../fuzz/random.js";

const draws = (seed: number) => draw(new Random(seed));
const draw = (random: Random) => random.times(1000, () => random.unit());

it("draws the same for the same seed, and something else for its neighbour", () => {
  expect(draws(1)).toEqual(draws(1));
  expect(draws(1)).not.toEqual(draws(2));
});

it("draws evenly, also over the first draws of neighbouring seeds", () => {
  const mean = (list: number[]) => list.reduce((sum, value) => sum + value) / list.length;
  expect(mean(draws(3))).toBeCloseTo(0.5, 1);
  const firsts = Array.from({ length: 1000 }, (_, seed) => new Random(seed).unit());
  expect(mean(firsts)).toBeCloseTo(0.5, 1);
});

it("keeps to its bounds", () => {
  const random = new Random(4);
  expect(new Set(random.times(200, () => random.between(-1, 1)))).toEqual(new Set([-1, 0, 1]));
  expect(random.shuffled([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
});
