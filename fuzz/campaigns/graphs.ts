import { Engine } from "../../src/engine/engine.js";
import type { Campaign } from "../campaign.js";
import { buildGraph } from "../graphs/build.js";
import { drawRecipe } from "../graphs/draw-recipe.js";
import type { Recipe } from "../graphs/recipe.js";
import { runGraph } from "../graphs/run-graph.js";
import { Random } from "../random.js";
import { SettledMemory } from "../settled-memory.js";

/** Graphs on an engine in this process. */
export function graphCampaign(): Campaign<Recipe> {
  const engine = Engine.create({ lanes: 1, memoryLimit: 2 ** 29, cacheLimit: 0 });
  const memory = new SettledMemory(engine);
  return {
    draw: (seed, onStep) => drawRecipe(new Random(seed), onStep),
    run: (recipe, keep) =>
      runGraph(engine, buildGraph(recipe), recipe.fills, recipe.subscriptions, keep),
    settle: () => memory.leak(),
    close: () => engine.close(),
  };
}
