import { availableParallelism, totalmem } from "node:os";
import { SESSION_LIMITS } from "../contract/limits.js";
import { DavitError } from "../error.js";
import { DEFAULT_LIMITS, type GraphLimits } from "../graph/limits.js";
import { native } from "../native.js";
import { show } from "../show.js";

/** Options of {@link Engine.create}. Every field has a default. */
export interface EngineOptions {
  /** Threads that compute, each with streams and a compile cache of its own. Default: one a core. */
  readonly lanes?: number;
  /** Bytes of tensors and temporaries above which an allocation fails. Default: 80% of the machine's memory. */
  readonly memoryLimit?: number;
  /** Bytes of freed memory that are kept for reuse. Default: 1 GiB, at most an eighth of the machine's memory. */
  readonly cacheLimit?: number;
  /** The device that programs run on. Default: the GPU where MLX has one, else the CPU. */
  readonly device?: "cpu" | "gpu";
  /** Bytes of hook events in flight to one subscription. Default 8 MiB. */
  readonly hookCredit?: number;
  /** Milliseconds of work that loading a graph may take. Default 60,000. */
  readonly loadTimeout?: number;
  /** The folder of the program store. Default: what `davit store path` prints. It is used by functions that ask for it. */
  readonly store?: string;
  /** The limits of a graph. */
  readonly graphLimits?: Partial<GraphLimits>;
}

/** An engine's options, all of them. */
export type ResolvedOptions = Required<Omit<EngineOptions, "graphLimits" | "store">> & {
  readonly store?: string;
  readonly graphLimits: GraphLimits;
};

const NAMES = new Set([
  "lanes",
  "memoryLimit",
  "cacheLimit",
  "device",
  "hookCredit",
  "loadTimeout",
  "store",
  "graphLimits",
]);

/**
 * Fills in defaults.
 * @throws DavitError `option_invalid` that names the option, its value and what was expected.
 */
export function resolveOptions(options: EngineOptions): ResolvedOptions {
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) bad(name, "unknown", `one of ${[...NAMES].join(", ")}`);
  }
  const { devices } = native().versions();
  const memory = memoryBytes();
  const device = options.device ?? (devices.includes("gpu") ? "gpu" : "cpu");
  if (!devices.includes(device)) bad("device", show(device), `one of ${devices.join(", ")}`);
  return {
    lanes: count("lanes", options.lanes ?? availableParallelism(), 1, 1024),
    memoryLimit: count("memoryLimit", options.memoryLimit ?? Math.floor(memory * 0.8), 1),
    cacheLimit: count(
      "cacheLimit",
      options.cacheLimit ?? Math.min(2 ** 30, Math.floor(memory / 8)),
      0,
    ),
    device,
    hookCredit: count("hookCredit", options.hookCredit ?? SESSION_LIMITS.hookCredit.default, 1),
    loadTimeout: count("loadTimeout", options.loadTimeout ?? 60_000, 1),
    graphLimits: { ...DEFAULT_LIMITS, ...options.graphLimits },
    ...(options.store === undefined ? {} : { store: folder(options.store) }),
  };
}

function folder(path: string): string {
  if (typeof path !== "string" || path === "") bad("store", show(path), "the path of a folder");
  return path;
}

/** The machine's memory, or what the process may have of it: in a container. */
function memoryBytes(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

function count(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    bad(name, show(value), `an integer from ${min} to ${max}`);
  }
  return value;
}

function bad(name: string, found: string, expected: string): never {
  throw new DavitError(
    "option_invalid",
    `engine option ${name} is ${found}; expected ${expected}`,
    {
      expected,
    },
  );
}
