import { type Collected, collect, type GcOptions, sizeOf } from "./collect.js";
import { errno, type StoredFile, StoreFolder, storePath } from "./folder.js";
import { checkModule, type ModuleState, type OpenModule, openIndex } from "./inspect.js";
import { Damage, encodeModule, type Range, type StoreModule, sha256 } from "./module.js";

/** A function of the store, with what it needs. */
export interface StoredFunction {
  readonly name: string;
  readonly data: Uint8Array;
  readonly functions: ReadonlyMap<string, StoredFunction>;
  readonly globals: ReadonlyMap<string, Uint8Array>;
}

/** Options of a store. */
export interface StoreOptions {
  /** Its folder. By default that of `davit store path`. */
  readonly path?: string;
  /** Bytes above which what was used least recently is removed. Default 1 GiB. */
  readonly limit?: number;
  /** Is told once where nothing can be written. By default the process warns. */
  readonly warn?: (message: string) => void;
  /** How names become hashes; for tests. */
  readonly hash?: (name: string) => string;
}

/** What a store has read and found so far. */
export interface StoreCounts {
  /** Targets that were found. */
  hits: number;
  /** Targets that were not found. */
  misses: number;
  /** Bytes that were read. */
  bytes: number;
  /** Functions that were read. */
  functions: number;
  /** Globals that were read, constants too. */
  globals: number;
  /** Modules that were added. */
  added: number;
  /** Functions that were passed over, as something that they need is damaged or gone. */
  damaged: number;
}

const DEFAULT_LIMIT = 2 ** 30;

/** The most modules that are kept in memory where nothing can be written. */
const IN_MEMORY = 256;

/**
 * Functions on disk, shared by any number of processes without a lock. The interface is two calls: {@link Store.find} and
 * {@link Store.add}. Which module a function is in, and that several may have it, does not show.
 */
export class Store {
  readonly counts: StoreCounts = {
    hits: 0,
    misses: 0,
    bytes: 0,
    functions: 0,
    globals: 0,
    added: 0,
    damaged: 0,
  };
  /** Its folder. */
  readonly path: string;
  readonly #folder: StoreFolder;
  readonly #limit: number;
  readonly #warn: (message: string) => void;
  readonly #hash: (name: string) => string;
  readonly #memory = new Map<string, StoredFunction>();
  #warned = false;
  /** Bytes that were written since the folder's size was looked at; undefined where it never was. */
  #written: number | undefined;

  constructor({
    path = storePath(),
    limit = DEFAULT_LIMIT,
    warn,
    hash = sha256,
  }: StoreOptions = {}) {
    this.path = path;
    this.#folder = new StoreFolder(path);
    this.#limit = limit;
    this.#hash = hash;
    this.#warn = warn ?? ((message) => process.emitWarning(message, { code: "DAVIT_STORE" }));
  }

  /** Returns a function with all that it needs, from whichever module has it whole. Never throws. */
  find(name: string): StoredFunction | undefined {
    let found = this.#memory.get(name);
    try {
      found ??= this.#find(name, new Map());
    } catch {
      // The process has no more descriptors: what the store has cannot be told now.
    }
    this.counts[found === undefined ? "misses" : "hits"]++;
    return found;
  }

  /** Keeps functions; in memory where the folder cannot be written to, with one warning. Never throws but for a wrong module. */
  add(module: StoreModule): void {
    const { id, bytes } = encodeModule(module);
    this.counts.added++;
    try {
      try {
        this.#write(module, id, bytes);
      } catch (error) {
        // The folder is new, or has vanished.
        if (errno(error) !== "ENOENT") throw error;
        this.#folder.ensure();
        this.#write(module, id, bytes);
      }
    } catch (error) {
      this.#remember(module);
      this.#warnOnce(error);
      return;
    }
    this.#keepLimit(bytes.length);
  }

  /** Removes what is of no use; see docs/store.md. */
  gc(options: GcOptions = {}): Collected {
    this.#written = 0;
    return collect(this.#folder, { limit: this.#limit, ...options });
  }

  /** The modules on disk, each read as a whole. */
  *modules(): Generator<ModuleState> {
    if (!this.#folder.usable()) return;
    for (const id of this.#folder.list("modules")) yield checkModule(this.#folder, id);
  }

  /** Removes a module, whatever it is. */
  remove(id: string): void {
    if (!this.#folder.usable()) return;
    for (const name of checkModule(this.#folder, id).functions) {
      this.#folder.unlink(this.#hash(name), id);
    }
    this.#folder.setAside(id);
  }

  /** Forgets a function, in all modules. */
  forget(name: string): void {
    this.#memory.delete(name);
    if (!this.#folder.usable()) return;
    const hash = this.#hash(name);
    try {
      for (const id of this.#folder.modulesOf(hash)) this.#folder.unlink(hash, id);
    } catch {
      // It stays, as for want of descriptors.
    }
  }

  #write(module: StoreModule, id: string, bytes: Uint8Array): void {
    const folder = this.#folder;
    if (!folder.usable()) folder.ensure();
    for (const { data, constant } of module.globals ?? []) {
      if (constant !== true) continue;
      const hash = sha256(data);
      if (folder.stat("constants", hash)?.size === data.length) folder.touch("constants", hash);
      else folder.write("constants", hash, data);
    }
    folder.write("modules", id, bytes);
    for (const { name } of module.functions) folder.link(this.#hash(name), id);
  }

  #keepLimit(bytes: number): void {
    const looked = this.#written !== undefined;
    this.#written = (this.#written ?? 0) + bytes;
    if (looked && this.#written <= this.#limit / 16) return;
    this.#written = 0;
    // A little more is removed, so that this is not done at each write.
    try {
      if (sizeOf(this.#folder) > this.#limit) this.gc({ limit: this.#limit * 0.9 });
    } catch {
      // As for want of descriptors: a later write tries again.
    }
  }

  #find(name: string, loaded: Map<string, StoredFunction>): StoredFunction | undefined {
    const known = loaded.get(name);
    if (known !== undefined) return known;
    const hash = this.#hash(name);
    const ids = this.#folder.modulesOf(hash);
    if (ids.length === 0 || !this.#folder.usable()) return this.#memory.get(name);
    for (const id of ids) {
      // What was loaded for a module that turns out damaged is loaded again for the next one.
      const own = new Map(loaded);
      try {
        const found = this.#read(id, name, own);
        if (found === undefined) continue;
        for (const [key, value] of own) loaded.set(key, value);
        this.#folder.touch("names", hash, id);
        return found;
      } catch (error) {
        if (!(error instanceof Damage)) continue;
        this.counts.damaged++;
        this.#folder.unlink(hash, id);
      }
    }
    return undefined;
  }

  /** Reads a function from a module. @throws Damage */
  #read(id: string, name: string, loaded: Map<string, StoredFunction>): StoredFunction | undefined {
    const file = this.#folder.open("modules", id);
    // Removed by another process, or another user's.
    if (file === undefined) throw new Damage(`the module ${id} is gone`);
    try {
      const module = this.#open(file, id);
      return module === undefined ? undefined : this.#readFunction(module, name, loaded);
    } finally {
      file.close();
    }
  }

  #open(file: StoredFile, id: string): OpenModule | undefined {
    try {
      return openIndex(file, id, (offset, length) => this.#bytes(file, offset, length));
    } catch (error) {
      if (error instanceof Damage) this.#folder.setAside(id);
      throw error;
    }
  }

  #readFunction(
    module: OpenModule,
    name: string,
    loaded: Map<string, StoredFunction>,
  ): StoredFunction | undefined {
    const row = module.index.function(name);
    // Two names of one hash.
    if (row === undefined) return undefined;
    const functions = new Map<string, StoredFunction>();
    const globals = new Map<string, Uint8Array>();
    const found = { name, data: module.read(row, `the function ${name}`), functions, globals };
    this.counts.functions++;
    loaded.set(name, found);
    for (const number of row.globals) {
      const global = module.index.global(number);
      this.counts.globals++;
      globals.set(
        global.name,
        global.constant ? this.#constant(global) : module.read(global, `the global ${global.name}`),
      );
    }
    for (const needed of row.functions) {
      const other =
        loaded.get(needed) ??
        this.#readFunction(module, needed, loaded) ??
        this.#find(needed, loaded);
      if (other === undefined) throw new Damage(`the function ${needed} is gone`);
      functions.set(needed, other);
    }
    return found;
  }

  #constant({ sha256: hash, length }: Range): Uint8Array {
    const file = this.#folder.open("constants", hash);
    if (file === undefined) throw new Damage(`the constant ${hash} is gone`);
    try {
      const bytes = this.#bytes(file, 0, length);
      if (file.size === length && sha256(bytes) === hash) return bytes;
    } finally {
      file.close();
    }
    this.#folder.remove("constants", hash);
    throw new Damage(`the constant ${hash} is damaged`);
  }

  #bytes(file: StoredFile, offset: number, length: number): Buffer {
    const bytes = file.read(offset, length);
    this.counts.bytes += bytes.length;
    return bytes;
  }

  #remember(module: StoreModule): void {
    const globals = new Map(module.globals?.map(({ name, data }) => [name, data]));
    const made = new Map<string, StoredFunction & { functions: Map<string, StoredFunction> }>();
    for (const { name, data, globals: needs = [] } of module.functions) {
      const own = new Map(needs.map((need) => [need, globals.get(need) as Uint8Array]));
      made.set(name, { name, data, functions: new Map(), globals: own });
    }
    for (const { name, functions = [] } of module.functions) {
      const item = made.get(name) as StoredFunction & { functions: Map<string, StoredFunction> };
      const needed = functions.map(
        (need) => [need, made.get(need) ?? this.#find(need, new Map())] as const,
      );
      if (needed.some(([, other]) => other === undefined)) continue;
      for (const [need, other] of needed) item.functions.set(need, other as StoredFunction);
      this.#memory.delete(name);
      this.#memory.set(name, item);
    }
    for (const name of this.#memory.keys()) {
      if (this.#memory.size <= IN_MEMORY) break;
      this.#memory.delete(name);
    }
  }

  #warnOnce(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#warn(
      `the program store ${this.path} cannot be written to, programs are kept in memory: ${reason}`,
    );
  }
}
