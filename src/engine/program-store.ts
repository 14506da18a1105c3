import { readFileSync } from "node:fs";
import { boundValuesOf } from "../graph/bound-values.js";
import { decodeGraph } from "../graph/encoding/canonical.js";
import { type NativeEngine, native, type ValueId } from "../native.js";
import { Store } from "../store/index.js";
import type { ResolvedOptions } from "./options.js";
import type { Program } from "./program.js";
import {
  constantBytes,
  decodeProgram,
  encodeProgram,
  type StoredProgram,
} from "./stored-program.js";

/** A program that the store has, and its constants. */
export interface FoundProgram extends StoredProgram {
  /** By the SHA-256 of their bytes, in hex. */
  readonly constants: ReadonlyMap<string, Uint8Array>;
}

/** The programs of one engine's store, which is opened when it is first asked. */
export class ProgramStore {
  readonly #native: NativeEngine;
  readonly #options: ResolvedOptions;
  #store: Store | undefined;
  #prefix: string | undefined;

  constructor(engine: NativeEngine, options: ResolvedOptions) {
    this.#native = engine;
    this.#options = options;
  }

  get store(): Store {
    const { store: path } = this.#options;
    this.#store ??= new Store(path === undefined ? {} : { path });
    return this.#store;
  }

  /** Returns a program by its name, made by an engine like this one. Never throws. */
  find(name: string): FoundProgram | undefined {
    const found = this.store.find(this.#key(name));
    if (found === undefined) return undefined;
    try {
      return { ...decodeProgram(found.data), constants: found.globals };
    } catch {
      this.forget(name);
      return undefined;
    }
  }

  /**
   * Keeps a program under a name. `constants` are the native tensors of its constants. False where one of these has no bytes yet: it is
   * not kept then.
   */
  add(
    name: string,
    program: Program,
    constants: ReadonlyMap<string, ValueId>,
    note: Uint8Array,
  ): boolean {
    const bytes = constantBytes(program.graph, constants, this.#native);
    if (bytes === undefined) return false;
    this.store.add(encodeProgram(this.#key(name), program, bytes, note));
    return true;
  }

  /** Forgets a program. */
  forget(name: string): void {
    this.store.forget(this.#key(name));
  }

  /** Calls a function with the constants of a program as native tensors, which are freed after it. */
  withConstants<R>(found: FoundProgram, load: (constants: Map<string, ValueId>) => R): R {
    const values = new Map<string, ValueId>();
    try {
      if (found.constants.size > 0) {
        for (const { name, type } of boundValuesOf(decodeGraph(found.graph), "constant")) {
          const bytes = found.constants.get(name);
          if (bytes === undefined || values.has(name)) continue;
          values.set(name, this.#native.put(type, bytes));
        }
      }
      return load(values);
    } finally {
      for (const value of values.values()) this.#native.free(value);
    }
  }

  /** A program's types are those that this Davit, MLX and device gave it. */
  #key(name: string): string {
    this.#prefix ??= [
      "program",
      davitVersion(),
      native().versions().mlx,
      this.#options.device,
    ].join(" ");
    return `${this.#prefix} ${name}`;
  }
}

function davitVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
