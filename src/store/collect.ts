import type { StoreFolder } from "./folder.js";
import { checkModule, constantsOf } from "./inspect.js";

/** Options of a collection. */
export interface GcOptions {
  /** Bytes that may be left. Default: the store's limit. */
  readonly limit?: number;
  /** Files younger than so many milliseconds stay, as somebody may be about to use them. Default ten minutes. */
  readonly grace?: number;
}

/** What a collection did. */
export interface Collected {
  /** Modules that were removed. */
  readonly modules: number;
  /** Constants that were removed. */
  readonly constants: number;
  /** Files that were left unfinished, or set aside as damaged, and were removed. */
  readonly leftovers: number;
  /** Bytes that are left. */
  readonly bytes: number;
}

const GRACE = 600_000;

/** A module, and by which functions it is found. */
interface Kept {
  readonly size: number;
  readonly names: string[];
  used: number;
}

/** Bytes of all modules and constants. */
export function sizeOf(folder: StoreFolder): number {
  let sum = 0;
  for (const part of ["modules", "constants"] as const) {
    for (const name of folder.list(part)) sum += folder.stat(part, name)?.size ?? 0;
  }
  return sum;
}

/** Folds modules of the same function, evicts, and removes what nothing refers to. Others may read and write meanwhile. */
export function collect(
  folder: StoreFolder,
  { limit = Infinity, grace = GRACE }: GcOptions,
): Collected {
  if (!folder.usable()) return { modules: 0, constants: 0, leftovers: 0, bytes: 0 };
  const before = Date.now() - grace;
  const leftovers = removeLeftovers(folder, before);
  const modules = new Map<string, Kept>();
  for (const id of folder.list("modules")) {
    const stat = folder.stat("modules", id);
    if (stat !== undefined) modules.set(id, { ...stat, names: [] });
  }
  foldNames(folder, modules, before);
  const constants = new Map<string, { readonly size: number; readonly used: number }>();
  for (const hash of folder.list("constants")) {
    const stat = folder.stat("constants", hash);
    if (stat !== undefined) constants.set(hash, stat);
  }

  /** How many modules need each constant. */
  const needs = new Map<string, number>();
  const needed = new Map([...modules.keys()].map((id) => [id, constantsOf(folder, id)]));
  for (const list of needed.values()) {
    for (const hash of list) needs.set(hash, (needs.get(hash) ?? 0) + 1);
  }
  let bytes = [...modules.values(), ...constants.values()].reduce((sum, { size }) => sum + size, 0);
  const removed = { modules: 0, constants: 0 };
  const dropConstant = (hash: string) => {
    const stat = constants.get(hash);
    if (stat === undefined || !folder.remove("constants", hash)) return;
    constants.delete(hash);
    bytes -= stat.size;
    removed.constants++;
  };
  const drop = (id: string, { names, size }: Kept) => {
    for (const name of names) folder.unlink(name, id);
    folder.remove("modules", id);
    modules.delete(id);
    bytes -= size;
    removed.modules++;
    for (const hash of needed.get(id) ?? []) {
      const left = (needs.get(hash) ?? 1) - 1;
      needs.set(hash, left);
      if (left === 0) dropConstant(hash);
    }
  };
  for (const [id, module] of modules) {
    if (module.names.length === 0 && module.used < before) drop(id, module);
  }
  for (const [hash, { used }] of constants) {
    if ((needs.get(hash) ?? 0) === 0 && used < before) dropConstant(hash);
  }
  for (const [id, module] of [...modules].sort(([, a], [, b]) => a.used - b.used)) {
    if (bytes <= limit) break;
    drop(id, module);
  }
  return { ...removed, leftovers, bytes };
}

function removeLeftovers(folder: StoreFolder, before: number): number {
  let removed = 0;
  for (const part of ["tmp", "damaged"] as const) {
    for (const name of folder.listAll(part)) {
      const stat = folder.stat(part, name);
      if (stat !== undefined && stat.used < before && folder.remove(part, name)) removed++;
    }
  }
  return removed;
}

/** Notes which functions each module has; of several modules with a function, the one used last that is whole stays its module. */
function foldNames(folder: StoreFolder, modules: ReadonlyMap<string, Kept>, before: number): void {
  for (const name of folder.list("names")) {
    const links = folder
      .modulesOf(name)
      .map((id) => ({ id, used: folder.stat("names", name, id)?.used ?? 0 }))
      .sort((a, b) => b.used - a.used);
    let kept = links.length === 1;
    for (const { id, used } of links) {
      const module = modules.get(id);
      if (module === undefined) {
        // Written since the modules were listed, or gone.
        if (folder.stat("modules", id) === undefined) folder.unlink(name, id);
        continue;
      }
      const whole = links.length === 1 || (!kept && checkModule(folder, id).problem === undefined);
      if (whole || used >= before) {
        kept ||= whole;
        module.names.push(name);
        module.used = Math.max(module.used, used);
      } else folder.unlink(name, id);
    }
  }
}
