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
}

/** An engine that does not answer for so long is left out of the list, in milliseconds. */
const PATIENCE = 10_000;

/** Lists the engines of this user that let others attach. Sockets of dead processes are removed. */
export async function listEngines(): Promise<EngineInfo[]> {
  const found = await Promise.all(enginePids().map(describe));
  return found.filter((info) => info !== undefined);
}

async function describe(pid: number): Promise<EngineInfo | undefined> {
  const path = engineSocket(pid);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE);
  });
  try {
    return await Promise.race([ask(path), late]);
  } catch {
    removeDeadSockets();
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

async function ask(path: string): Promise<EngineInfo> {
  const client = await Client.connect(path);
  try {
    const { result } = await client.ask(["info"]);
    return { ...result.engine, memory: result.memory };
  } finally {
    await client.close();
  }
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
