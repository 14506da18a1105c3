import { defaultLimits, GRAPH_LIMITS, type LimitsOf } from "../contract/limits.js";

/** How large a graph from outside may be; `src/contract/limits.ts` says what each counts. */
export interface GraphLimits extends LimitsOf<typeof GRAPH_LIMITS> {}

/** The limits that hold where none are given. */
export const DEFAULT_LIMITS: GraphLimits = defaultLimits(GRAPH_LIMITS);
