import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import type { Graph } from "../../src/graph/graph.js";
import { increment } from "../../test/support/graphs.js";
import { buildGraph } from "../graphs/build.js";
import { drawRecipe } from "../graphs/draw-recipe.js";
import type { Random } from "../random.js";
import { mutateBytes } from "./mutate-bytes.js";
import { mutateGraph } from "./mutate-graph.js";
import { mutateValue } from "./mutate-value.js";

/** Draws the bytes of a graph that is broken, or almost: in its bytes, in their form, or in what they mean. */
export function drawGraphFile(random: Random): Uint8Array {
  const recipe = drawRecipe(random);
  const graph = recipe === undefined ? increment() : buildGraph(recipe);
  const draw = random.unit();
  const changed = draw < 0.5 ? mutateGraph(random, graph) : mutateValue(random, graph);
  const written = draw < 0.75 ? encoded(changed as Graph) : undefined;
  return written ?? mutateBytes(random, encodeGraph(graph));
}

/** The bytes of a graph; undefined where they cannot be written. */
function encoded(graph: Graph): Uint8Array | undefined {
  try {
    return encodeGraph(graph);
  } catch {
    return undefined;
  }
}
