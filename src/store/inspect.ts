import type { StoredFile, StoreFolder } from "./folder.js";
import { Damage, HEADER_BYTES, ModuleIndex, type Range, readHeader, sha256 } from "./module.js";

/** A module that is read from. */
export interface OpenModule {
  readonly index: ModuleIndex;
  /** Reads data. `what` names it in the error. @throws Damage */
  read(range: Range, what: string): Uint8Array;
}

/** What is known of a module. */
export interface ModuleState {
  readonly id: string;
  readonly bytes: number;
  /** When it was written, or a function of it was used, in milliseconds since 1970. */
  readonly used: number;
  readonly functions: readonly string[];
  /** What is wrong with it. */
  readonly problem?: string;
}

/**
 * Reads the index of an open module; undefined where it is of another version.
 * @throws Damage
 */
export function openIndex(
  file: StoredFile,
  id: string,
  read: (offset: number, length: number) => Buffer = (offset, length) => file.read(offset, length),
): OpenModule | undefined {
  const length = readHeader(read(0, HEADER_BYTES));
  if (length === undefined) return undefined;
  const readAt = (begin: number, range: Range, what: string) => {
    const bytes = read(begin + range.offset, range.length);
    if (bytes.length !== range.length || sha256(bytes) !== range.sha256) {
      throw new Damage(`${what} is damaged`);
    }
    return bytes;
  };
  const rows = HEADER_BYTES + length;
  const index = new ModuleIndex(id, read(HEADER_BYTES, length), (block) =>
    readAt(rows, block, "a block of the index"),
  );
  return { index, read: (range, what) => readAt(rows + index.rowBytes, range, what) };
}

/** The constants that a module needs; none where it cannot be read, or is of another version. */
export function constantsOf(folder: StoreFolder, id: string): string[] {
  const file = folder.open("modules", id);
  if (file === undefined) return [];
  try {
    const globals = openIndex(file, id)?.index.globals ?? [];
    return globals.flatMap(({ constant, sha256 }) => (constant ? [sha256] : []));
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    return [];
  } finally {
    file.close();
  }
}

/** Reads all of a module, and says what is wrong with it. Changes nothing. */
export function checkModule(folder: StoreFolder, id: string): ModuleState {
  const stat = folder.stat("modules", id);
  const state = { id, bytes: stat?.size ?? 0, used: stat?.used ?? 0, functions: [] as string[] };
  const file = folder.open("modules", id);
  if (file === undefined) return { ...state, problem: "it is no file of this user" };
  try {
    const module = openIndex(file, id);
    if (module === undefined) return { ...state, problem: "it is of another version" };
    state.functions = module.index.functions;
    for (const name of state.functions) {
      module.read(module.index.function(name) as Range, `the function ${name}`);
    }
    for (const global of module.index.globals) {
      if (global.constant) checkConstant(folder, global);
      else module.read(global, `the global ${global.name}`);
    }
    return state;
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    return { ...state, problem: error.message };
  } finally {
    file.close();
  }
}

function checkConstant(folder: StoreFolder, { sha256: hash, length }: Range): void {
  const file = folder.open("constants", hash);
  if (file === undefined) throw new Damage(`the constant ${hash} is gone`);
  try {
    if (file.size !== length || sha256(file.read(0, length)) !== hash) {
      throw new Damage(`the constant ${hash} is damaged`);
    }
  } finally {
    file.close();
  }
}
