import { defaultLimits, GRAPH_LIMITS, type LimitsOf } from "../contract/limits.js";

/** The limits of a graph from outside; `src/contract/limits.ts` documents each. */
export interface GraphLimits extends LimitsOf<typeof GRAPH_LIMITS> {}

/** The limits that hold where none are given. */
export const DEFAULT_LIMITS: GraphLimits = defaultLimits(GRAPH_LIMITS);
