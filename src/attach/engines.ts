import { Client } from "../client/client.js";
import { DavitError } from "../error.js";
import { enginePids, engineSocket, removeDeadSockets } from "./folder.js";

/** An engine's description of itself. */
export interface EngineInfo {
  /** The process id. */
  readonly pid: number;
  /** Seconds since its process began. */
  readonly uptime: number;
  /** Its working folder. */
  readonly folder: string;
  /** The number of loaded programs. */
  readonly programs: number;
  /** Runs under way. */
  readonly runs: number;
  /** Memory of MLX, in bytes. */
  readonly memory: { readonly active: number; readonly peak: number };
  /** Who has its memory, where that was asked for. */
  readonly usage?: EngineUsage;
}

/** The memory of an engine, in bytes, and which of its clients and models have it. */
export interface EngineUsage {
  /** What is in use, each buffer once. */
  readonly active: number;
  /** The most that was in use at one time. */
  readonly peak: number;
  /** What was freed and is kept for reuse. */
  readonly cached: number;
  /** What would be more than this fails. */
  readonly limit: number;
  /** The most that is kept for reuse. */
  readonly cacheLimit: number;
  /** Its sessions, the one that asked left out. Memory that several have counts for each of them. */
  readonly sessions: readonly SessionUsage[];
  /** Its models: the folder or file, the bytes of the weights, and how many have it open. */
  readonly models: readonly {
    readonly path: string;
    readonly bytes: number;
    readonly users: number;
  }[];
}

/** What one client of an engine has. */
export interface SessionUsage {
  /** Its number, counted from the engine's first session. */
  readonly session: number;
  /** What the client calls itself. */
  readonly client: string;
  /** The number of its tensors. */
  readonly tensors: number;
  /** The number of its programs. */
  readonly programs: number;
  /** The bytes of the buffers that its tensors and the constants of its programs have, each once. */
  readonly bytes: number;
  /** The bytes of its tensors by their types. */
  readonly typed: number;
  /** The most that `typed` was. */
  readonly peak: number;
  /** The paths of the models that it has open, whose memory is not counted as its own. */
  readonly models: readonly string[];
}

/** An engine that does not answer for so long is left out of the list, in milliseconds. */
const PATIENCE = 10_000;

/**
 * Lists the engines of this user that let others attach. Sockets of dead processes are removed.
 * `usage`: also who has their memory, which they look for among all tensors.
 */
export async function listEngines(
  options: { readonly usage?: boolean } = {},
): Promise<EngineInfo[]> {
  const { usage = false } = options;
  const found = await Promise.all(enginePids().map((pid) => describe(pid, usage)));
  return found.filter((info) => info !== undefined);
}

async function describe(pid: number, usage: boolean): Promise<EngineInfo | undefined> {
  const path = engineSocket(pid);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE);
  });
  try {
    return await Promise.race([ask(path, usage), late]);
  } catch {
    removeDeadSockets();
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function ask(path: string, usage: boolean): Promise<EngineInfo> {
  const client = await Client.connect(path);
  try {
    const { result } = await client.ask(["info"]);
    const info = { ...result.engine, memory: result.memory };
    return usage ? { ...info, usage: await usageOf(client) } : info;
  } finally {
    await client.close();
  }
}

async function usageOf(client: Client): Promise<EngineUsage> {
  const { result } = await client.ask(["memory"]);
  const { cache_limit: cacheLimit, sessions, models, ...bytes } = result;
  const others = sessions.filter(({ own }) => !own).map(({ own: _, ...session }) => session);
  return { ...bytes, cacheLimit, sessions: others, models };
}

/**
 * Returns the socket of an engine that is named by its process id or by the path of its socket; without a name, that of
 * the only engine there is.
 * @throws DavitError `engine_unknown` where no engine or more than one is meant
 */
export async function findEngine(name?: string): Promise<string> {
  if (name !== undefined && !/^\d+$/.test(name)) return name;
  const engines = await listEngines();
  const pids = engines.map(({ pid }) => pid);
  if (name === undefined && pids.length === 1) return engineSocket(pids[0] as number);
  if (name !== undefined && pids.includes(Number(name))) return engineSocket(Number(name));
  const what = name === undefined ? "no engine was named" : `there is no engine ${name}`;
  const expected =
    pids.length === 0 ? "a running engine; there is none" : `one of ${pids.join(", ")}`;
  throw new DavitError("engine_unknown", `${what}; expected ${expected}`, { expected });
}
