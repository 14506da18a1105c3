import { namedId } from "../../src/hooks/ids.js";
import type { Policy, SubscriptionOptions, View } from "../../src/hooks/policy.js";
import type { Random } from "../random.js";
import type { DrawnNode, Known } from "./draw-node.js";

const KINDS = ["hook", "hook", "print", "callback", "hook_gradient"] as const;

/** Draws a hook, a print or a call of some values. */
export function drawCustomCall(random: Random, known: readonly Known[]): DrawnNode {
  const kind = random.pick(KINDS);
  const inputs = random.times(random.between(1, 2), () => random.pick(known));
  const types = inputs.map(({ type }) => type);
  const name = random.pick(["first", "second"]);
  return {
    op: `custom_call.${kind}`,
    inputs,
    attributes: {
      id: namedId(name),
      name,
      ...(kind === "callback" ? { results: types } : {}),
    },
    types,
  };
}

/** Draws the options of a subscription. */
export function drawOptions(random: Random): SubscriptionOptions {
  const count = random.below(4);
  const sizes = () => random.times(count, () => random.pick([0, 1, 2, 5, 2 ** 31 - 1]));
  const policies: Policy[] = ["every", "every", "latest", { sample: 2 }, { rate: 1000 }];
  const views: View[] = [
    "full",
    "full",
    "summary",
    { summary: { bins: random.pick([1, 7, 4096]) } },
    { slice: { start: sizes(), size: sizes() } },
  ];
  return { policy: random.pick(policies), view: random.pick(views) };
}
