import { describe, expect, it } from "vitest";
import { nativeOptions, type SubscriptionOptions } from "../../src/hooks/policy.js";

describe("a delivery", () => {
  it("is every value in full by default", () => {
    expect(nativeOptions({})).toEqual({ policy: "every", argument: 0, view: { kind: "full" } });
  });

  it.each<[SubscriptionOptions, unknown]>([
    [{ policy: "latest" }, { policy: "latest", argument: 0 }],
    [{ policy: { sample: 7 } }, { policy: "sample", argument: 7 }],
    [{ policy: { rate: 20 } }, { policy: "rate", argument: 20 }],
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
    ["policy_invalid", { policy: "always" }],
    ["policy_invalid", { policy: 5 }],
    ["policy_invalid", { policy: { sample: 0 } }],
    ["policy_invalid", { policy: { sample: 1.5 } }],
    ["policy_invalid", { policy: { sample: 2 ** 31 } }],
    ["policy_invalid", { policy: { rate: 0 } }],
    ["policy_invalid", { policy: { rate: Number.NaN } }],
    ["policy_invalid", { policy: { rate: Number.POSITIVE_INFINITY } }],
    ["policy_invalid", { policy: { rate: 1, sample: 1 } }],
    ["view_invalid", { view: "half" }],
    ["view_invalid", { view: { summary: null } }],
    ["view_invalid", { view: { summary: { bins: -1 } } }],
    ["view_invalid", { view: { summary: { bins: 1e9 } } }],
    ["view_invalid", { view: { slice: { start: [0], size: [1, 1] } } }],
    ["view_invalid", { view: { slice: { start: [-1], size: [1] } } }],
    ["view_invalid", { view: { slice: { start: [2 ** 31], size: [1] } } }],
    ["view_invalid", { view: { slice: { start: "0", size: [1] } } }],
    [
      "view_invalid",
      { view: { slice: { start: new Array(40).fill(0), size: new Array(40).fill(1) } } },
    ],
  ])("is refused with %s: %j", (code, delivery) => {
    expect(() => nativeOptions(delivery as unknown as SubscriptionOptions)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
