import { type Holding, MemoryOwners } from "../engine/memory.js";
import type { NativeEngine, ProgramId, ValueId } from "../native.js";

/** What a session has, as its parts count it. */
interface SessionContents {
  readonly tensors: {
    readonly size: number;
    readonly bytes: { readonly now: number; readonly peak: number };
    readonly values: readonly ValueId[];
  };
  readonly programs: { readonly size: number; readonly ids: readonly ProgramId[] };
  readonly models: { readonly paths: readonly string[] };
}

/** A session among the owners of its engine's memory, from its begin to its end. */
export class SessionMemory {
  /** What its client calls itself. */
  client = "";
  readonly #contents: SessionContents;
  readonly #number: number;
  readonly #holding: Holding;
  readonly #owners: MemoryOwners;
  readonly #leave: () => void;

  constructor(native: NativeEngine, sessions: SessionList, contents: SessionContents) {
    this.#contents = contents;
    this.#number = sessions.begin();
    this.#owners = MemoryOwners.of(native);
    const name = () => `${this.#number} ${this.client}`.trimEnd();
    this.#holding = {
      kind: "session",
      get name() {
        return name();
      },
      values: () => contents.tensors.values,
      programs: () => contents.programs.ids,
    };
    const forget = this.#owners.add(this.#holding);
    sessions.all.add(this);
    this.#leave = () => {
      forget();
      sessions.all.delete(this);
    };
  }

  /** What it has, for the client of the session that asks. */
  wire(asking: SessionMemory) {
    const { tensors, programs, models } = this.#contents;
    return {
      session: this.#number,
      client: this.client,
      own: this === asking,
      tensors: tensors.size,
      programs: programs.size,
      bytes: this.#owners.measure(this.#holding).bytes,
      typed: tensors.bytes.now,
      peak: tensors.bytes.peak,
      models: models.paths,
    };
  }

  /** The session ends. */
  close(): void {
    this.#leave();
  }
}

/** The sessions of one engine that are open. */
export class SessionList {
  readonly all = new Set<SessionMemory>();
  #begun = 0;

  /** Returns the number of a new session: 1 for the first. */
  begin(): number {
    return ++this.#begun;
  }
}
