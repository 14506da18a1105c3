import { DavitError, toDavitError } from "../error.js";
import type { HookRouter } from "../hooks/router.js";
import type { NativeEngine, ProgramId } from "../native.js";
import { type Steps, Work } from "../steps.js";
import type { ResolvedOptions } from "./options.js";
import { type Bindings, loadSteps, type Program, type ProgramSource } from "./program.js";

/** The record of a program, which itself may be garbage. */
interface Loaded {
  readonly id: ProgramId;
  /** Runs that are not over. */
  runs: number;
  unloaded: boolean;
}

/** The programs that an engine has loaded. One that is forgotten is unloaded when V8 collects it. */
export class LoadedPrograms {
  readonly #native: NativeEngine;
  readonly #hooks: HookRouter;
  readonly #options: ResolvedOptions;
  readonly #loaded = new Map<ProgramId, Loaded>();
  readonly #forgotten = new FinalizationRegistry<Loaded>((loaded) => this.#unload(loaded));

  constructor(native: NativeEngine, hooks: HookRouter, options: ResolvedOptions) {
    this.#native = native;
    this.#hooks = hooks;
    this.#options = options;
  }

  get size(): number {
    return this.#loaded.size;
  }

  /** Those that are not unloaded. */
  get ids(): ProgramId[] {
    return [...this.#loaded.values()].filter(({ unloaded }) => !unloaded).map(({ id }) => id);
  }

  /** Loads a program a while at a time, for an owner where it has one: see {@link HookRouter.addProgram}. */
  loading(source: ProgramSource, bindings: Bindings, owner?: object): Work<Program> {
    const { loadTimeout } = this.#options;
    return new Work(this.#load(source, bindings, owner), loadTimeout, () => {
      const text = `the graph was not loaded after ${loadTimeout} ms of work`;
      const expected = `at most ${loadTimeout} ms, the engine option loadTimeout`;
      return new DavitError("timeout", `${text}; expected ${expected}`, { expected });
    });
  }

  *#load(source: ProgramSource, bindings: Bindings, owner?: object): Steps<Program> {
    let program: Program | undefined;
    let known = false;
    try {
      program = yield* loadSteps(source, bindings, this.#native, this.#options);
      this.#add(program);
      yield;
      yield* this.#hooks.addProgram(program, owner);
      known = true;
      return program;
    } catch (error) {
      throw toDavitError(error);
    } finally {
      // The work may have been stopped before its end.
      if (!known && program !== undefined) this.unload(program.id);
    }
  }

  #add(program: Program): void {
    const loaded = { id: program.id, runs: 0, unloaded: false };
    this.#loaded.set(program.id, loaded);
    this.#forgotten.register(program, loaded, loaded);
  }

  /** Forgets a program. Runs under way go on, and their hooks fire. */
  unload(id: ProgramId): void {
    const loaded = this.#loaded.get(id);
    if (loaded === undefined) return;
    this.#forgotten.unregister(loaded);
    this.#unload(loaded);
  }

  /** A run of the program begins. */
  begin(id: ProgramId): void {
    const loaded = this.#loaded.get(id);
    if (loaded !== undefined) loaded.runs++;
  }

  /** A run of the program is over, and its last event was told. */
  end(id: ProgramId): void {
    const loaded = this.#loaded.get(id);
    if (loaded === undefined) return;
    loaded.runs--;
    this.#release(loaded);
  }

  #unload(loaded: Loaded): void {
    if (loaded.unloaded) return;
    loaded.unloaded = true;
    this.#native.unloadProgram(loaded.id);
    this.#release(loaded);
  }

  #release({ id, runs, unloaded }: Loaded): void {
    if (!unloaded || runs > 0) return;
    this.#loaded.delete(id);
    this.#hooks.removeProgram(id);
  }
}
