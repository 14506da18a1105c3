import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "../engine/engine.js";
import { type NativeVersions, native } from "../native.js";
import type { BulkListener } from "./bulk.js";
import { DEFAULT_LIMITS, type Limits } from "./limits.js";
import { SessionList } from "./memory.js";

/** The state that the sessions of one engine share. */
export interface Host {
  readonly engine: Engine;
  /** Names this engine among all there were: a tensor's id means something only together with it. */
  readonly instance: string;
  /** The bulk socket, where there is one. */
  readonly bulk: BulkListener | undefined;
  readonly limits: Limits;
  readonly sessions: SessionList;
  readonly versions: Readonly<Record<string, string>>;
  readonly devices: NativeVersions["devices"];
}

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Prepares an engine for sessions. */
export function createHost(
  engine: Engine,
  bulk?: BulkListener,
  limits: Partial<Limits> = {},
): Host {
  const { mlx, blas, devices } = native().versions();
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return {
    engine,
    instance: randomUUID(),
    bulk,
    limits: { ...DEFAULT_LIMITS, ...limits },
    sessions: new SessionList(),
    versions: { davit: version, mlx, blas, node: process.versions.node },
    devices,
  };
}
