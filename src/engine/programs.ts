import type { HookRouter } from "../hooks/router.js";
import type { NativeEngine, ProgramId } from "../native.js";
import type { Program } from "./program.js";

/** What is kept of a program beside the program itself, which may be garbage. */
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
  readonly #loaded = new Map<ProgramId, Loaded>();
  readonly #forgotten = new FinalizationRegistry<Loaded>((loaded) => this.#unload(loaded));

  constructor(native: NativeEngine, hooks: HookRouter) {
    this.#native = native;
    this.#hooks = hooks;
  }

  get size(): number {
    return this.#loaded.size;
  }

  /** The native engine has taken a program. */
  add(program: Program): void {
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
