import type { WireType } from "../contract/engine-messages.js";
import type { Engine } from "../engine/engine.js";
import type { Program } from "../engine/program.js";
import type { StoredProgram } from "../engine/stored-program.js";
import type { Site } from "../hooks/site.js";
import type { ProgramId, ValueId } from "../native.js";
import { show } from "../show.js";
import type { Work } from "../steps.js";
import { byteLength } from "../tensor/dtype.js";
import { noteRun, ProtocolError } from "./error.js";
import { encodeHeader } from "./header.js";
import type { MessageOf } from "./message.js";
import type { ResultOf } from "./results.js";
import type { Sender } from "./sender.js";
import type { SessionTensor, SessionTensors } from "./tensors.js";
import { wireSites, wireType } from "./wire.js";

/** A program that a client named. */
export class LoadedProgram {
  readonly program: Program;
  readonly outputTypes: readonly WireType[];
  readonly hasPrints: boolean;
  readonly hasDestinations: boolean;
  readonly hasCallbacks: boolean;
  readonly outputBytes: number;
  readonly smallestOutput: number;
  /** Runs under way. */
  runs = 0;
  unloaded = false;
  readonly #answers = new Map<number, Uint8Array>();
  readonly #sizes: readonly number[];

  constructor(
    program: Program,
    /** Tensors that are constants of it and were pending when it was loaded, pinned. */
    readonly pending: readonly SessionTensor[],
  ) {
    this.program = program;
    this.outputTypes = program.outputs.map(wireType);
    this.hasPrints = program.sites.some((site) => site.kind === "print");
    this.hasDestinations = program.sites.some((site) => site.destination);
    this.hasCallbacks = program.sites.some((site) => site.kind === "callback");
    this.#sizes = program.outputs.map(byteLength);
    this.outputBytes = this.#sizes.reduce((sum, size) => sum + size, 0);
    this.smallestOutput = Math.min(...this.#sizes);
  }

  /** The bytes of the outputs that are named. */
  keptBytes(ids: readonly (number | null)[]): number {
    return ids.reduce<number>(
      (sum, id, index) => (id === null ? sum : sum + (this.#sizes[index] as number)),
      0,
    );
  }

  /** The answer to a run that fetched the first so many outputs and no others: the same for all such runs. */
  answer(fetched: number): Uint8Array {
    let header = this.#answers.get(fetched);
    if (header === undefined) {
      const values = this.outputTypes.map((_, index) => (index < fetched ? index : null));
      const result: ResultOf<"run"> = { outputs: this.outputTypes, values };
      header = encodeHeader(["ok", result]).slice();
      this.#answers.set(fetched, header);
    }
    return header;
  }
}

/** A program on its way. */
interface OpenLoad {
  readonly request: number;
  readonly id: number;
  readonly work: Work<Program>;
  /** Tensors that it is bound to and that have no bytes yet, pinned. */
  readonly pending: readonly SessionTensor[];
  /** Whether the client wants few of its sites. */
  readonly brief: boolean;
  /** Where the store has it: what the client gets back. */
  readonly kept: StoredProgram | undefined;
  /** Called when it is over, where that is in a later turn. */
  readonly later: () => void;
  /** Its next turn. */
  turn: NodeJS.Immediate | undefined;
}

/** Sites without those that only have a label; but one is left, which says that there are any. */
function briefSites(sites: readonly Site[]): readonly Site[] {
  const labelled = sites.find((site) => site.kind === "node");
  return sites.filter((site) => site.kind !== "node" || site === labelled);
}

/** So many milliseconds of a load are done before others have their turn; most programs are loaded by then. */
const TURN = 2;

/** The programs of one session, by the ids that its client chose. */
export class SessionPrograms {
  /** A program that did not load is kept with its error, which is what its runs fail with. */
  readonly #programs = new Map<number, LoadedProgram | { readonly error: unknown }>();
  readonly #numbers = new Map<ProgramId, number>();
  #loading: OpenLoad | undefined;

  /** The native programs of those that did load. */
  get ids(): ProgramId[] {
    return [...this.#numbers.keys()];
  }

  constructor(
    private readonly engine: Engine,
    private readonly sender: Sender,
    private readonly tensors: SessionTensors,
    private readonly limits: { readonly programs: number },
  ) {}

  get size(): number {
    return this.#numbers.size;
  }

  /**
   * Answers `load` or `load_kept`, at once or, where it takes longer, in a later turn: false then, and `later` is called when it is over.
   * There is one load at a time.
   */
  load(
    request: number,
    message: MessageOf<"load"> | MessageOf<"load_kept">,
    later: () => void,
  ): boolean {
    const { program: id, externals } = message;
    if (this.#programs.has(id)) {
      throw new ProtocolError("program_taken", `there is a program ${id} already`, "a new id");
    }
    if (this.#programs.size >= this.limits.programs) {
      const { programs } = this.limits;
      throw new ProtocolError("program_limit_exceeded", `the session has ${programs} programs`);
    }
    const pending: SessionTensor[] = [];
    try {
      const bound = (tensors: ReadonlyMap<string, number>) =>
        new Map([...tensors].map(([name, tensor]) => [name, this.#pin(tensor, pending)]));
      const kept = message.type === "load_kept" ? this.#kept(message) : undefined;
      const constants = message.type === "load" ? bound(message.constants) : new Map();
      const source = message.type === "load" ? message.graph : (kept as StoredProgram);
      const work = this.engine.loading(source, { constants, externals: bound(externals) });
      const { brief } = message;
      return this.#advance({ request, id, work, pending, brief, kept, later, turn: undefined });
    } catch (error) {
      this.#failed({ request, id, pending }, error);
      return true;
    }
  }

  /** @throws ProtocolError `program_unkept` */
  #kept({ name, folder }: MessageOf<"load_kept">): StoredProgram {
    const found = this.engine.programStore.in(folder).find(name);
    if (found !== undefined) return found;
    throw new ProtocolError("program_unkept", `the store has no program ${show(name)}`);
  }

  /** Takes `keep`. */
  keep(request: number, { program: id, name, folder, note }: MessageOf<"keep">): void {
    const { program } = this.find(id);
    const kept = this.engine.programStore.in(folder).add(name, program, note);
    this.sender.ok<"keep">(request, kept);
  }

  /** Takes `forget_kept`. */
  forgetKept({ name, folder }: MessageOf<"forget_kept">): void {
    this.engine.programStore.in(folder).forget(name);
  }

  /** Goes on with a load; true when it is over. */
  #advance(load: OpenLoad): boolean {
    this.#loading = undefined;
    try {
      const loaded = load.work.advance(TURN);
      if (loaded !== undefined) {
        this.#bind(load, new LoadedProgram(loaded.result, load.pending));
        return true;
      }
    } catch (error) {
      this.#failed(load, error);
      return true;
    }
    this.#loading = load;
    load.turn = setImmediate(() => {
      if (this.#advance(load)) load.later();
    });
    return false;
  }

  #failed({ request, id, pending }: Pick<OpenLoad, "request" | "id" | "pending">, error: unknown) {
    for (const tensor of pending) this.tensors.unpin(tensor);
    this.defineFailed(id, error);
    this.sender.error(request, error);
  }

  /** Names a program that could not be made. */
  defineFailed(id: number, error: unknown): void {
    noteRun(error, 0);
    this.#programs.set(id, { error });
  }

  /** Takes `cancel`. */
  cancel(request: number, reason: string): void {
    const load = this.#loading;
    if (load?.request !== request) return;
    this.#stop(load);
    this.#failed(load, new ProtocolError("cancelled", reason));
    load.later();
  }

  #stop(load: OpenLoad): void {
    this.#loading = undefined;
    clearImmediate(load.turn);
    load.work.stop();
  }

  /** Names a program and answers its load; where the answer does not fit, the program is given up. */
  #bind({ request, id, brief, kept }: OpenLoad, loaded: LoadedProgram): void {
    const { program } = loaded;
    const names = program.graph.functions[0]?.parameterNames;
    this.#programs.set(id, loaded);
    this.#numbers.set(program.id, id);
    try {
      const result: ResultOf<"load"> = {
        hash: program.hash,
        inputs: program.inputs.map(wireType),
        outputs: loaded.outputTypes,
        ...(names === undefined ? {} : { input_names: names }),
        ...wireSites(brief ? briefSites(program.sites) : program.sites),
      };
      if (kept === undefined) this.sender.ok<"load">(request, result);
      else {
        const attachments = [kept.bytes, kept.note];
        this.sender.ok<"load_kept">(request, { ...result, graph: 0, note: 1 }, attachments);
      }
    } catch (error) {
      this.#numbers.delete(program.id);
      this.engine.unload(program);
      throw error;
    }
  }

  /** The value of a tensor that a program is bound to; it is noted where it has no bytes yet. */
  #pin(id: number, pending: SessionTensor[]): ValueId {
    const tensor = this.tensors.find(id);
    if (tensor.error !== undefined) throw tensor.error;
    if (tensor.pending) {
      tensor.pins++;
      pending.push(tensor);
    }
    return tensor.value;
  }

  /** Forgets a program; runs under way go on. */
  unload(id: number): void {
    const loaded = this.#programs.get(id);
    this.#programs.delete(id);
    if (loaded instanceof LoadedProgram) {
      loaded.unloaded = true;
      this.#release(loaded);
    }
  }

  /** @throws ProtocolError `program_unknown`, or what made the program fail to load */
  find(id: number): LoadedProgram {
    const loaded = this.#programs.get(id);
    if (loaded instanceof LoadedProgram) return loaded;
    if (loaded !== undefined) throw loaded.error;
    throw new ProtocolError(
      "program_unknown",
      `there is no program ${id}; it was unloaded, or no load came before`,
    );
  }

  /** A run of the program is over. */
  runEnded(loaded: LoadedProgram): void {
    loaded.runs--;
    this.#release(loaded);
  }

  /** The client's number of a program. */
  numberOf(program: ProgramId): number | undefined {
    return this.#numbers.get(program);
  }

  /** The session ends. */
  close(): void {
    if (this.#loading !== undefined) this.#stop(this.#loading);
    for (const id of [...this.#programs.keys()]) this.unload(id);
  }

  /** The engine keeps a program until its last run is over, as its hooks may still fire. */
  #release(loaded: LoadedProgram): void {
    if (!loaded.unloaded || loaded.runs > 0) return;
    this.#numbers.delete(loaded.program.id);
    this.engine.unload(loaded.program);
    for (const tensor of loaded.pending) this.tensors.unpin(tensor);
  }
}
