import { readFileSync } from "node:fs";
import { boundNamesOf } from "../graph/bound-values.js";
import { native } from "../native.js";
import { Store } from "../store/index.js";
import type { ResolvedOptions } from "./options.js";
import type { Program } from "./program.js";
import { decodeProgram, encodeProgram, type StoredProgram } from "./stored-program.js";

/** The most other folders whose stores an engine has open. */
const OPEN_FOLDERS = 16;

/** The programs of one engine's store, which is opened when it is first asked. */
export class ProgramStore {
  readonly #options: ResolvedOptions;
  #store: Store | undefined;
  #prefix: string | undefined;
  readonly #others = new Map<string, ProgramStore>();

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  get store(): Store {
    const { store: path } = this.#options;
    this.#store ??= new Store(path === undefined ? {} : { path });
    return this.#store;
  }

  /** The programs of the store in another folder; these where there is none. */
  in(folder: string | undefined): ProgramStore {
    if (folder === undefined) return this;
    const other = this.#others.get(folder) ?? new ProgramStore({ ...this.#options, store: folder });
    this.#others.delete(folder);
    this.#others.set(folder, other);
    if (this.#others.size > OPEN_FOLDERS) {
      const [oldest] = this.#others.keys();
      this.#others.delete(oldest as string);
    }
    return other;
  }

  /** Returns a program by its name, made by an engine like this one. Never throws. */
  find(name: string): StoredProgram | undefined {
    const found = this.store.find(this.#key(name));
    if (found === undefined) return undefined;
    try {
      return decodeProgram(found.data);
    } catch {
      this.forget(name);
      return undefined;
    }
  }

  /** Keeps a program under a name. False where it has constants by hash: it is not kept then. */
  add(name: string, program: Program, note: Uint8Array): boolean {
    if (boundNamesOf(program.graph, "constant").size > 0) return false;
    this.store.add({ functions: [{ name: this.#key(name), data: encodeProgram(program, note) }] });
    return true;
  }

  /** Forgets a program. */
  forget(name: string): void {
    this.store.forget(this.#key(name));
  }

  /** A program was checked and typed by this Davit, MLX and device, within these limits; its form is that of this V8. */
  #key(name: string): string {
    this.#prefix ??= [
      "program",
      davitVersion(),
      native().versions().mlx,
      process.versions.v8,
      this.#options.device,
      JSON.stringify(this.#options.graphLimits),
    ].join(" ");
    return `${this.#prefix} ${name}`;
  }
}

function davitVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
