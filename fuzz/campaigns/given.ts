import { Engine } from "../../src/engine/engine.js";
import type { Graph } from "../../src/graph/graph.js";
import type { SubscriptionOptions } from "../../src/hooks/policy.js";
import type { Campaign } from "../campaign.js";
import { runGraph } from "../graphs/run-graph.js";
import { SettledMemory } from "../settled-memory.js";

/** A graph and its arguments, as a finding is printed. */
export interface GivenGraph {
  readonly graph: Graph;
  readonly inputs: readonly Uint8Array[];
  readonly subscriptions?: readonly SubscriptionOptions[];
}

/** Graphs that are given and not drawn: those that were found once. */
export function givenCampaign(): Campaign<GivenGraph> {
  const engine = Engine.create({ lanes: 1, memoryLimit: 2 ** 29, cacheLimit: 0 });
  const memory = new SettledMemory(engine);
  return {
    draw: () => undefined,
    run: ({ graph, inputs, subscriptions = [] }, keep) =>
      runGraph(engine, graph, inputs, subscriptions, keep),
    settle: () => memory.leak(),
    close: () => engine.close(),
  };
}
