import { describe, expect, it } from "vitest";
import { nativeOptions, type SubscriptionOptions } from "../../src/hooks/policy.js";

describe("a delivery", () => {
  it("is every value in full by default", () => {
    expect(nativeOptions({})).toEqual({ policy: "every", interval: 0, view: { kind: "full" } });
  });

  it.each<[SubscriptionOptions, unknown]>([
    [{ policy: "latest" }, { policy: "latest", interval: 0 }],
    [{ policy: { sample: 7 } }, { policy: "sample", interval: 7 }],
    [{ policy: { rate: 20 } }, { policy: "rate", interval: 50 }],
    [{ view: "summary" }, { view: { kind: "summary", bins: 16 } }],
    [{ view: { summary: { bins: 0 } } }, { view: { kind: "summary", bins: 0 } }],
    [
      { view: { slice: { start: [0, 1], size: [2, 3] } } },
      { view: { kind: "slice", start: [0, 1], size: [2, 3] } },
    ],
  ])("%j is told to the native engine", (delivery, expected) => {
    expect(nativeOptions(delivery)).toMatchObject(expected as object);
  });

  it.each([
    ["bad_policy", { policy: "always" }],
    ["bad_policy", { policy: 5 }],
    ["bad_policy", { policy: { sample: 0 } }],
    ["bad_policy", { policy: { sample: 1.5 } }],
    ["bad_policy", { policy: { sample: 2 ** 31 } }],
    ["bad_policy", { policy: { rate: 0 } }],
    ["bad_policy", { policy: { rate: Number.NaN } }],
    ["bad_policy", { policy: { rate: Number.POSITIVE_INFINITY } }],
    ["bad_policy", { policy: { rate: 1, sample: 1 } }],
    ["bad_view", { view: "half" }],
    ["bad_view", { view: { summary: null } }],
    ["bad_view", { view: { summary: { bins: -1 } } }],
    ["bad_view", { view: { summary: { bins: 1e9 } } }],
    ["bad_view", { view: { slice: { start: [0], size: [1, 1] } } }],
    ["bad_view", { view: { slice: { start: [-1], size: [1] } } }],
    ["bad_view", { view: { slice: { start: [2 ** 31], size: [1] } } }],
    ["bad_view", { view: { slice: { start: "0", size: [1] } } }],
    [
      "bad_view",
      { view: { slice: { start: new Array(40).fill(0), size: new Array(40).fill(1) } } },
    ],
  ])("is refused with %s: %j", (code, delivery) => {
    expect(() => nativeOptions(delivery as unknown as SubscriptionOptions)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
