import { SharedModels } from "../models/shared.js";
import type { Host } from "./host.js";
import { wireLimits } from "./limits.js";
import type { SessionMemory } from "./memory.js";

/** The version of the protocol that this is. */
export const PROTOCOL_VERSION = 1;

/** Returns the answer to `hello`: what the engine is, and what a session may do. */
export function helloAnswer(host: Host, hookCredit: number, token: Uint8Array | undefined) {
  return {
    protocol: PROTOCOL_VERSION,
    engine: "davit",
    instance: host.instance,
    limits: {
      ...wireLimits(host.limits),
      hook_credit: hookCredit,
      memory: host.engine.info().memory.limit,
    },
    bulk: host.bulk?.path ?? null,
    token: token ?? null,
    versions: host.versions,
    devices: host.devices,
  };
}

/** Returns the answer to `info`; `session` has the counts of the session that asks. */
export function infoAnswer(
  { engine }: Host,
  session: { readonly programs: number; readonly tensors: number },
) {
  const { memory, counters } = engine.info();
  return {
    memory,
    counters,
    ...session,
    engine: {
      pid: process.pid,
      uptime: Math.round(process.uptime()),
      folder: process.cwd(),
      programs: engine.hooks.programCount,
      runs: engine.runsUnderWay,
      models: SharedModels.of(engine).list(),
    },
  };
}

/** Returns the answer to `memory`; `asking` is the session that asks. */
export function memoryAnswer({ engine, sessions }: Host, asking: SessionMemory) {
  const { active, peak, cache, limit } = engine.native.memory();
  return {
    active,
    peak,
    cached: cache,
    limit,
    cache_limit: engine.options.cacheLimit,
    sessions: [...sessions.all].map((session) => session.wire(asking)),
    models: SharedModels.of(engine).list(),
  };
}
