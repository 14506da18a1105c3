import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Sampler } from "../../../src/models/generator/sampler.js";

const LOGITS = Float32Array.of(1, 3, 2, 3, -1);
const none = new Set<number>();
const draw = (sampler: Sampler, times: number, logits = LOGITS) =>
  Array.from({ length: times }, () => sampler.next(logits, none));

describe("a sampler", () => {
  it("takes the likeliest token by default, the first of equal ones, and never NaN", () => {
    expect(draw(new Sampler(), 3)).toEqual([1, 1, 1]);
    const sampler = new Sampler();
    expect(sampler.next(Float32Array.of(Number.NaN, 1, Number.NaN, 2), none)).toBe(3);
    expect(sampler.next(Float32Array.of(-Infinity, -Infinity, -5), none)).toBe(2);
    const nothing = Float32Array.of(Number.NaN, Number.NaN);
    expect(new Sampler({ temperature: 1, topK: 1 }).next(nothing, none)).toBe(0);
  });

  it("draws tokens as often as their probabilities say", () => {
    const times = 20_000;
    const drawn = draw(new Sampler({ temperature: 2, seed: 7 }), times);
    const weights = [...LOGITS].map((logit) => Math.exp(logit / 2));
    const sum = weights.reduce((a, b) => a + b);
    weights.forEach((weight, token) => {
      const expected = weight / sum;
      const found = drawn.filter((one) => one === token).length / times;
      expect(Math.abs(found - expected)).toBeLessThan(
        5 * Math.sqrt((expected * (1 - expected)) / times),
      );
    });
  });

  it("chooses among the likeliest", () => {
    const among = (options: object) => new Set(draw(new Sampler({ seed: 1, ...options }), 500));
    expect(among({ temperature: 5, topK: 2 })).toEqual(new Set([1, 3]));
    expect(among({ temperature: 1, topP: 0.5 })).toEqual(new Set([1, 3]));
    expect(among({ temperature: 1, topP: 0.01 })).toEqual(new Set([1]));
    expect(among({ temperature: 5, topK: 1, topP: 0.9 })).toEqual(new Set([1]));
  });

  it("makes tokens that were there less likely", () => {
    const sampler = new Sampler({ repetitionPenalty: 2 });
    expect(sampler.next(LOGITS, new Set([1]))).toBe(3);
    expect(sampler.next(LOGITS, new Set([1, 3]))).toBe(2);
    expect(sampler.next(Float32Array.of(-1, -1.5), new Set([0]))).toBe(1);
    expect([...LOGITS]).toEqual([1, 3, 2, 3, -1]);
  });

  it("draws the same with the same seed, and always a token that there is", () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, maxLength: 50, noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (logits, seed, temperature, topK, topP) => {
          const options = { seed, temperature, topK, topP };
          const drawn = draw(new Sampler(options), 10, logits);
          expect(draw(new Sampler(options), 10, logits)).toEqual(drawn);
          for (const token of drawn) expect(token in logits).toBe(true);
        },
      ),
    );
  });

  it.each([
    [{ temperature: -1 }, /temperature is -1; expected a number from 0 to 100/],
    [{ temperature: Number.NaN }, /temperature is NaN/],
    [{ topK: 1.5 }, /topK is 1.5; expected a whole number from 1/],
    [{ topP: 2 }, /topP is 2; expected a number from 0 to 1/],
    [{ repetitionPenalty: 0 }, /repetitionPenalty is 0/],
    [{ seed: -1 }, /seed is -1; expected a whole number/],
  ])("refuses %j", (options, message) => {
    expect(() => new Sampler(options)).toThrow(
      expect.objectContaining({ code: "option_invalid", message: expect.stringMatching(message) }),
    );
  });
});
