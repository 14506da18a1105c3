import type { NativeEngine, ProgramId, ValueId } from "../native.js";

/** Somebody who has tensors of an engine. Memory that several have is counted in full for each of them. */
export interface MemoryOwner {
  /**
   * `tensors`: the `Tensor` objects of this process, those of its states and models too; `programs`: the constants of all programs; `model`: a
   * materialized module; `state`: a state; `session`: a client of the engine.
   */
  readonly kind: "tensors" | "programs" | "model" | "state" | "session";
  /** What it is called: the class of a module, the number and the name of a session's client. */
  readonly name: string;
  /** The number of its tensors; of its constants for programs. */
  readonly tensors: number;
  /** The bytes of the buffers that its tensors have in memory, each buffer once. */
  readonly bytes: number;
}

/** The memory of an engine, in bytes. */
export interface EngineMemory {
  /** What tensors and temporaries use now, each buffer once. */
  readonly active: number;
  /** The most that was in use at one time. */
  readonly peak: number;
  /** What was freed and is kept for reuse. */
  readonly cached: number;
  /** The engine option `memoryLimit`: what would be more fails. */
  readonly limit: number;
  /** The engine option `cacheLimit`. */
  readonly cacheLimit: number;
  /** Everybody who has tensors. */
  readonly owners: readonly MemoryOwner[];
}

/** What an owner has; asked when memory is listed. */
export interface Holding {
  readonly kind: MemoryOwner["kind"];
  readonly name: string;
  values(): readonly ValueId[] | Float64Array;
  programs?(): readonly ProgramId[];
}

const engines = new WeakMap<NativeEngine, MemoryOwners>();

/** The owners of the memory of one engine. */
export class MemoryOwners {
  readonly #native: NativeEngine;
  readonly #holdings = new Set<Holding | WeakRef<Holding>>();

  private constructor(native: NativeEngine) {
    this.#native = native;
  }

  /** Those of an engine. */
  static of(native: NativeEngine): MemoryOwners {
    const known = engines.get(native);
    if (known !== undefined) return known;
    const made = new MemoryOwners(native);
    engines.set(native, made);
    return made;
  }

  /** Lists an owner until what is returned is called. */
  add(holding: Holding): () => void {
    this.#holdings.add(holding);
    return () => this.#holdings.delete(holding);
  }

  /** Lists an owner as long as it is not garbage. */
  addWeakly(holding: Holding): void {
    this.#holdings.add(new WeakRef(holding));
    // One that is gone is forgotten here, or when memory is listed.
    if (this.#holdings.size % 1024 === 0) this.#all();
  }

  /** The owners, and what they have now. */
  list(): MemoryOwner[] {
    return this.#all().map((holding) => this.measure(holding));
  }

  /** What an owner has now. */
  measure({ kind, name, values, programs }: Holding): MemoryOwner {
    const tensors = Float64Array.from(values());
    const bytes = this.#native.heldBytes(tensors, programs?.() ?? []);
    return { kind, name, tensors: tensors.length, bytes };
  }

  #all(): Holding[] {
    const alive: Holding[] = [];
    for (const one of this.#holdings) {
      const holding = one instanceof WeakRef ? one.deref() : one;
      if (holding === undefined) this.#holdings.delete(one);
      else alive.push(holding);
    }
    return alive;
  }
}
