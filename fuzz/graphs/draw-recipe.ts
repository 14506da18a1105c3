import { isDifferentiable } from "../../src/graph/checking/control-flow.js";
import type { Random } from "../random.js";
import { drawOptions } from "./custom-calls.js";
import { drawBody } from "./draw-body.js";
import { STYLES } from "./fill.js";
import type { Body, Recipe, Wrap } from "./recipe.js";
import { typeOf } from "./refs.js";
import { Types } from "./types.js";

/** Draws what a graph is made of; undefined where nothing of it was accepted. */
export function drawRecipe(random: Random, onStep?: (step: unknown) => void): Recipe | undefined {
  const customCalls = random.chance(0.25);
  const nodes = random.between(1, random.chance(0.5) ? 4 : 16);
  const body = drawBody(new Types(random, onStep), { nodes, customCalls });
  if (body === undefined) return undefined;
  const differentiated = random.chance(0.3) ? drawDerivative(random, body) : undefined;
  const wraps = [...(differentiated?.wraps ?? []), ...drawWraps(random)];
  return {
    body: differentiated?.body ?? body,
    wraps,
    fills: random.times(8, () => ({ style: random.pick(STYLES.slice(2)), seed: random.seed() })),
    subscriptions: customCalls ? random.times(random.below(3), () => drawOptions(random)) : [],
  };
}

/** The derivative of what of a body has one; at times its derivative again. */
function drawDerivative(random: Random, body: Body): Pick<Recipe, "body" | "wraps"> | undefined {
  const results = body.results.filter((ref) => isDifferentiable(typeOf(body, ref)));
  const candidates = [...body.parameters.keys()].filter((index) =>
    isDifferentiable(body.parameters[index] as never),
  );
  if (results.length === 0 || candidates.length === 0) return undefined;
  const wrap = (): Wrap => ({
    kind: random.chance(0.7) ? "vjp" : "jvp",
    wrt: random.some(candidates, 0.8),
  });
  const wraps = [wrap(), ...(random.chance(0.1) ? [wrap()] : [])];
  return { body: { ...body, results }, wraps };
}

function drawWraps(random: Random): Wrap[] {
  if (random.chance(0.55)) return [];
  const wraps = [drawWrap(random)];
  if (random.chance(0.2)) wraps.push(drawWrap(random));
  return wraps;
}

function drawWrap(random: Random): Wrap {
  const count = random.pick([0, 1, 2, 3, 5]);
  switch (random.below(5)) {
    case 0:
      return { kind: "for", count, operand: random.chance(0.5) };
    case 1:
      return { kind: "while", count, counted: random.chance(0.5) };
    case 2:
      return { kind: "cond", swapped: random.chance(0.5) };
    case 3: {
      const branches = random.between(1, 3);
      return { kind: "switch", branches, taken: random.below(branches) };
    }
    default:
      return { kind: "call", times: random.between(1, 3) };
  }
}
