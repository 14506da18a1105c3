import type { Graph } from "../graph/graph.js";
import { Nesting } from "../hooks/nesting.js";
import { HookRouter } from "../hooks/router.js";
import type { Site } from "../hooks/site.js";
import {
  type NativeEngine,
  type NativeMemory,
  native,
  type QueueId,
  type RunId,
  type ValueId,
} from "../native.js";
import { type Steps, Work } from "../steps.js";
import type { Dtype, TensorType } from "../tensor/dtype.js";
import { type TensorLike, toBytes, typeOfValue } from "../tensor/values.js";
import type { OperandTree } from "../trace/control.js";
import { type FinishedRecord, readBatch } from "./batch.js";
import { DavitError, guarded, toDavitError } from "./error.js";
import { type JitOptions, type Jitted, jit } from "./jit.js";
import { type EngineOptions, type ResolvedOptions, resolveOptions } from "./options.js";
import { Polling } from "./polling.js";
import { type Bindings, loadSteps, type Program } from "./program.js";
import { LoadedPrograms } from "./programs.js";
import type { Callback } from "./slots.js";
import { Tensor } from "./tensor.js";

/** How a run is started. */
export interface RunOptions {
  /** Runs of one queue happen in order. Default: the engine's own queue. */
  readonly queue?: QueueId;
  /** Those of this run alone, from {@link HookRouter.subscribeRun}. */
  readonly subscriptions?: readonly number[];
  /** Called once when the run is over, with what made it fail; all its events came before. */
  readonly onDone?: (error?: DavitError) => void;
}

/** A run under way. */
export interface Run {
  readonly id: RunId;
  /** Native tensors, pending at first; later runs may take them at once. Whoever started the run frees them. */
  readonly outputs: readonly ValueId[];
  /** Ends the run at its next checkpoint; it fails with this code. Nothing happens where it is over. */
  cancel(code?: string, message?: string): void;
}

interface UnderWay {
  readonly program: Program;
  readonly onDone: ((error?: DavitError) => void) | undefined;
}

let nextRun = 1;

/**
 * Runs programs on MLX, on threads of their own: everything here returns at once, and the event loop
 * stays free. One engine serves any number of programs, runs and subscribers.
 *
 * @example
 * ```ts
 * const engine = Engine.create();
 * const f = engine.jit((x) => mx.add(x, 1));
 * console.log(await (await f([1, 2, 3])).toArray()); // [2, 3, 4]
 * ```
 */
export class Engine {
  readonly native: NativeEngine;
  readonly options: ResolvedOptions;
  readonly hooks: HookRouter;
  readonly #runs = new Map<RunId, UnderWay>();
  readonly #programs: LoadedPrograms;
  readonly #queue: QueueId;
  #closed = false;
  #alive = false;
  readonly #polling = new Polling(() => {
    this.native.poll();
    this.#setAlive(this.#runs.size > 0);
  });

  private constructor(options: ResolvedOptions) {
    this.options = options;
    this.native = guarded(
      () =>
        new (native().Engine)({
          ...options,
          onBatch: (...batch) => readBatch(batch, this.#sink),
          onMore: () => this.#polling.later(),
        }),
    );
    this.hooks = new HookRouter(this.native, options.hookCredit);
    this.#programs = new LoadedPrograms(this.native, this.hooks);
    this.#queue = this.native.createQueue();
  }

  /** Starts an engine. */
  static create(options: EngineOptions = {}): Engine {
    return new Engine(resolveOptions(options));
  }

  readonly #sink = {
    onFinished: (record: FinishedRecord) => this.#finish(record),
    onEvent: (record: Parameters<HookRouter["onEvent"]>[0]) => this.hooks.onEvent(record),
    onCallback: (request: Parameters<HookRouter["onCallback"]>[0]) =>
      this.hooks.onCallback(request),
    onBatchEnd: () => this.hooks.flush(),
  };

  /**
   * Takes a graph: validates it, finds the types of all its values, and names what can be watched.
   * `bindings` holds the tensors of values that are not in the graph.
   * @throws DavitError with a code of docs/protocol.md, the op, its label and types.
   */
  load(graph: Graph, bindings: Bindings = {}): Program {
    const loaded = this.loading(graph, bindings).advance(Number.POSITIVE_INFINITY);
    return (loaded as { result: Program }).result;
  }

  /** As {@link load}, to be advanced a while at a time. The graph may also come as its canonical bytes, which are kept. */
  loading(graph: Graph | Uint8Array, bindings: Bindings = {}): Work<Program> {
    this.#checkOpen();
    const { loadTimeout } = this.options;
    return new Work(this.#load(graph, bindings), loadTimeout, () => {
      const text = `the graph was not loaded after ${loadTimeout} ms of work`;
      const expected = `at most ${loadTimeout} ms, the engine option loadTimeout`;
      return new DavitError("timeout", `${text}; expected ${expected}`, { expected });
    });
  }

  *#load(graph: Graph | Uint8Array, bindings: Bindings): Steps<Program> {
    let program: Program | undefined;
    let known = false;
    try {
      program = yield* loadSteps(graph, bindings, this.native, this.options);
      this.#programs.add(program);
      yield;
      yield* this.hooks.addProgram(program);
      known = true;
      return program;
    } catch (error) {
      throw toDavitError(error);
    } finally {
      // The work may have been stopped before its end.
      if (!known && program !== undefined) this.unload(program);
    }
  }

  /** Forgets a program; runs under way go on. One that nobody refers to is forgotten in time without that. */
  unload(program: Program): void {
    this.#programs.unload(program.id);
  }

  /**
   * Starts a run on native tensors, one per parameter. They may be pending: the run waits for them.
   * @throws DavitError `input_count`, `input_type`, `tensor_freed`, `tensor_unknown`
   */
  start(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    options: RunOptions = {},
  ): Run {
    this.#checkOpen();
    const id = nextRun++;
    const queue = options.queue ?? this.#defaultQueue();
    const outputs = guarded(() =>
      this.native.run(id, program.id, queue, inputs, options.subscriptions),
    );
    this.#runs.set(id, { program, onDone: options.onDone });
    this.#programs.begin(program.id);
    this.#polling.soon();
    return {
      id,
      outputs,
      cancel: (code = "cancelled", message = "the run was cancelled") =>
        this.native.cancel(id, code, message),
    };
  }

  /**
   * The bytes of a small program's results, where its run need not be queued: see {@link NativeEngine.runHere}.
   * @throws DavitError what makes the run fail, or as {@link start}
   */
  runHere(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    queue: QueueId,
  ): ArrayBuffer[] | undefined {
    this.#checkOpen();
    try {
      return this.native.runHere(program.id, queue, inputs);
    } catch (error) {
      const { code, message, site = -1 } = error as Partial<FinishedRecord>;
      if (code === undefined) throw error;
      throw this.#failure(program, { run: 0, code, site, message: String(message) });
    }
  }

  /**
   * Runs a program on tensors and gives its results as tensors, at once; each tells when it is ready.
   * `signal` cancels the run.
   */
  run(
    program: Program,
    inputs: readonly Tensor[],
    options: { queue?: QueueId; signal?: AbortSignal; subscriptions?: readonly number[] } = {},
  ): { readonly id: RunId; readonly outputs: Tensor[]; readonly done: Promise<void> } {
    const { signal, ...rest } = options;
    signal?.throwIfAborted();
    let settle: (error?: DavitError) => void = () => {};
    const done = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    const cancel = () => run.cancel("cancelled", `the run was cancelled: ${signal?.reason}`);
    const run = this.start(
      program,
      inputs.map((tensor) => tensor.valueIn(this.native)),
      {
        ...rest,
        onDone: (error) => {
          signal?.removeEventListener("abort", cancel);
          settle(error);
        },
      },
    );
    signal?.addEventListener("abort", cancel, { once: true });
    const outputs = run.outputs.map(
      (value, index) => new Tensor(this.native, value, program.outputs[index] as TensorType, done),
    );
    return { id: run.id, outputs, done };
  }

  /**
   * Makes a function run on this engine: traced once for every combination of argument types, as
   * `jax.jit` and `mx.compile` do. Arguments and results may be lists and objects of tensors. Its programs are freed with
   * it, be it forgotten or disposed of.
   * @throws DavitError `bad_option`
   */
  jit<R extends OperandTree>(fn: (...args: never[]) => R, options?: JitOptions): Jitted<R> {
    return jit(this, fn, options);
  }

  /** Answers the callbacks of this name in all programs that this process runs. */
  handle(name: string, callback: Callback): void {
    this.#callbacks.set(name, callback);
  }

  /** For runs of this process: the function that answers a site's callbacks, where it was given by name. */
  callbackFor(site: Site): Callback | undefined {
    return site.name === undefined ? undefined : this.#callbacks.get(site.name);
  }

  /** Runs a handler: the runs that it starts do not queue behind the run that waits for it. */
  async nested<T>(handler: () => T): Promise<Awaited<T>> {
    const nesting = new Nesting(this.native);
    try {
      return await nesting.run(handler);
    } finally {
      nesting.close();
    }
  }

  /** A tensor from a number, nested arrays or a typed array. The dtype follows MLX's rules where it is not given. */
  tensor(value: TensorLike, dtype?: Dtype): Tensor {
    this.#checkOpen();
    const type = typeOfValue(value, dtype);
    return guarded(
      () => new Tensor(this.native, this.native.put(type, toBytes(value, type)), type),
    );
  }

  /** A tensor from its bytes: row by row, little-endian. */
  fromBytes(bytes: Uint8Array, type: TensorType): Tensor {
    this.#checkOpen();
    return guarded(() => new Tensor(this.native, this.native.put(type, bytes), type));
  }

  /** A tensor that is read from a file when it is first needed. */
  fileTensor(path: string, offset: number, type: TensorType): Tensor {
    this.#checkOpen();
    return guarded(() => new Tensor(this.native, this.native.fileValue(path, offset, type), type));
  }

  createQueue(): QueueId {
    this.#checkOpen();
    return this.native.createQueue();
  }

  closeQueue(queue: QueueId): void {
    this.native.closeQueue(queue);
  }

  /** Runs that were started and are not over. */
  get runsUnderWay(): number {
    return this.#runs.size;
  }

  /** Memory in bytes, and counts since the engine began. */
  info(): { memory: NativeMemory; counters: Readonly<Record<string, number>> } {
    const counters = { ...this.native.counters(), programs: this.#programs.size };
    return { memory: this.native.memory(), counters };
  }

  /** Cancels what is under way and takes nothing more; resolves when the last run is over and the engine's threads have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const run of this.#runs.keys()) {
      this.native.cancel(run, "engine_closed", "the engine was closed");
    }
    // Not within what the native engine calls: it goes on after it.
    await undefined;
    while (this.#runs.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.native.close();
  }

  readonly #idle: (() => void)[] = [];
  readonly #callbacks = new Map<string, Callback>();

  #defaultQueue(): QueueId {
    return Nesting.queue(this.native) ?? this.#queue;
  }

  /** Answers a callback of a run with tensors; nothing happens where the run is over. */
  reply(run: RunId, callback: number, values: readonly (ValueId | Uint8Array)[]): void {
    guarded(() => this.native.reply(run, callback, values));
    this.#polling.later();
  }

  #rest(): void {
    this.#setAlive(false);
    if (this.#idle.length > 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The process stays alive for runs under way. */
  #setAlive(alive: boolean): void {
    if (alive === this.#alive) return;
    this.#alive = alive;
    this.native.setAlive(alive);
  }

  #checkOpen(): void {
    if (this.#closed) throw new DavitError("engine_closed", "the engine was closed");
  }

  #finish(record: FinishedRecord): void {
    const run = this.#runs.get(record.run);
    if (run === undefined) return;
    this.#runs.delete(record.run);
    if (this.#runs.size === 0) this.#rest();
    this.hooks.endRun(record.run);
    this.#programs.end(run.program.id);
    if (run.onDone === undefined) return;
    if (record.code === undefined) run.onDone();
    else run.onDone(this.#failure(run.program, record));
  }

  #failure(program: Program, { code, message, site }: FinishedRecord): DavitError {
    return new DavitError(code as string, message as string, program.describe(site));
  }
}
