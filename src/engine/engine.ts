import { DavitError, guarded } from "../error.js";
import type { Graph } from "../graph/graph.js";
import type { EventHandler } from "../hooks/event.js";
import { onEvents } from "../hooks/handlers.js";
import type { Match } from "../hooks/match.js";
import { Nesting } from "../hooks/nesting.js";
import type { SubscriptionOptions } from "../hooks/policy.js";
import { HookRouter } from "../hooks/router.js";
import type { Site } from "../hooks/site.js";
import type { Subscription } from "../hooks/subscription.js";
import {
  type NativeEngine,
  type NativeMemory,
  native,
  type QueueId,
  type RunId,
  type ValueId,
} from "../native.js";
import { Tensor } from "../native-tensor.js";
import { show } from "../show.js";
import type { Work } from "../steps.js";
import type { Dtype, TensorType } from "../tensor/dtype.js";
import { type TensorLike, type TypedArray, toBytes, typeOfValue } from "../tensor/values.js";
import type { OperandTree } from "../trace/control.js";
import type { Callback } from "../trace/custom-call.js";
import { flatten, type Tree } from "../trace/tree.js";
import { type BatchSink, readBatch } from "./batch.js";
import { type GraphTensors, withConstants } from "./constants.js";
import { fillTensor } from "./fill.js";
import { type JitOptions, type Jitted, jit } from "./jit.js";
import { type EngineMemory, MemoryOwners } from "./memory.js";
import { type EngineOptions, type ResolvedOptions, resolveOptions } from "./options.js";
import type { Bindings, Program, ProgramSource } from "./program.js";
import { ProgramStore } from "./program-store.js";
import { LoadedPrograms } from "./programs.js";
import { EngineRuns, type Run, type RunOptions } from "./runs.js";
import { State } from "./state.js";
import { type ProgramRun, type ProgramRunOptions, runOnTensors } from "./tensor-run.js";

/**
 * Runs programs on MLX, on threads of their own: every method returns at once, and the event loop stays free. One
 * engine serves any number of programs, runs and subscribers.
 *
 * @example
 * ```ts
 * const engine = Engine.create();
 * const f = engine.jit((x) => mx.add(x, 1));
 * console.log(await (await f([1, 2, 3])).toArray()); // [2, 3, 4]
 * await engine.close();
 * ```
 */
export class Engine {
  /** @internal */
  readonly native: NativeEngine;
  /** @internal */
  readonly options: ResolvedOptions;
  /** @internal */
  readonly hooks: HookRouter;
  /** @internal */
  readonly programStore: ProgramStore;
  readonly #runs: EngineRuns;
  readonly #programs: LoadedPrograms;
  readonly #queue: QueueId;
  readonly #callbacks = new Map<string, Callback>();
  #closed = false;

  private constructor(options: ResolvedOptions) {
    this.options = options;
    this.native = guarded(
      () =>
        new (native().Engine)({
          ...options,
          onBatch: (...batch) => readBatch(batch, this.#sink),
          onMore: () => this.#runs.pollLater(),
        }),
    );
    this.hooks = new HookRouter(this.native, options.hookCredit);
    this.programStore = new ProgramStore(options);
    this.#programs = new LoadedPrograms(this.native, this.hooks, options);
    this.#runs = new EngineRuns(this.native, this.hooks, this.#programs);
    this.#queue = this.native.createQueue();
    const owners = MemoryOwners.of(this.native);
    const { native: engine } = this;
    const programs = this.#programs;
    owners.add({ kind: "tensors", name: "this process", values: () => engine.handles() });
    owners.add({
      kind: "programs",
      name: "constants",
      values: () => [],
      programs: () => programs.ids,
    });
  }

  readonly #sink: BatchSink = {
    onFinished: (record) => this.#runs.finish(record),
    onEvent: (event) => this.hooks.onEvent(event),
    onCallback: (request) => this.hooks.onCallback(request),
    onBatchEnd: () => this.hooks.flush(),
  };

  /**
   * Starts an engine.
   * @throws DavitError `option_invalid` that names the option, its value and what was expected
   */
  static create(options: EngineOptions = {}): Engine {
    return new Engine(resolveOptions(options));
  }

  /**
   * Makes a function run on this engine: traced once for every combination of argument types, as
   * `jax.jit` and `mx.compile` do. Arguments and results may be lists and objects of tensors. Its programs are freed with
   * it, be it forgotten or disposed of.
   * @throws DavitError `option_invalid`
   */
  jit<R extends OperandTree>(fn: (...args: never[]) => R, options?: JitOptions): Jitted<R> {
    return jit(this, fn, options);
  }

  /** Calls a handler with every event of the hooks of this name, in all programs of this engine. */
  on(name: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.subscribe({ name }, handler, options);
  }

  /** As {@link Engine.on}, with every event of the labelled nodes that a glob matches, hooks or not. */
  probe(glob: string, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return this.subscribe({ probe: glob }, handler, options);
  }

  /**
   * As {@link Engine.on}, with every event of the sites that a match is for.
   * @throws DavitError `match_invalid`, `handler_invalid`, `policy_invalid`, `view_invalid`
   */
  subscribe(match: Match, handler: EventHandler, options?: SubscriptionOptions): Subscription {
    return onEvents(this.hooks, { ...options, match }, handler);
  }

  /** Answers the callbacks of this name in all programs that this process runs. */
  handle(name: string, callback: Callback): void {
    this.#callbacks.set(name, callback);
  }

  /**
   * A tensor from a number, nested arrays or a typed array. The dtype follows MLX's rules where it is not given.
   * @throws DavitError `type_invalid`, `shape_invalid`, `value_invalid`
   */
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

  /**
   * A tensor whose elements a function writes, in the engine's memory and so without a copy. They hold anything before. The array is of no use
   * after the call: its length is 0.
   * @throws DavitError `type_invalid`, `memory_exhausted`, `function_async`, and what `write` throws
   */
  fill(type: TensorType, write: (array: TypedArray) => void): Tensor {
    this.#checkOpen();
    return guarded(() => fillTensor(this.native, type, write));
  }

  /** A tensor that is read from a file when it is first needed. */
  fileTensor(path: string, offset: number, type: TensorType): Tensor {
    this.#checkOpen();
    return guarded(() => new Tensor(this.native, this.native.fileValue(path, offset, type), type));
  }

  /**
   * A tensor whose bytes are asked for when it is first needed, once. What `read` throws is thrown there.
   */
  lazyTensor(type: TensorType, read: () => Uint8Array): Tensor {
    this.#checkOpen();
    return new Tensor(this.native, () => this.native.put(type, read()), type);
  }

  /**
   * Loads a graph: validates it, finds the types of all its values, and names what can be watched.
   * @throws DavitError with a code of docs/errors.md, the op, its label and types
   */
  load(graph: Graph, tensors?: GraphTensors): Program;
  /** `owner`: as in {@link Engine.loading}. @internal */
  load(graph: Graph, tensors: GraphTensors, owner: object): Program;
  load(
    graph: Graph,
    { constants = new Map(), externals = new Map() }: GraphTensors = {},
    owner?: object,
  ): Program {
    const load = (bindings: Bindings) => {
      const work = this.loading(graph, bindings, owner);
      return (work.advance(Number.POSITIVE_INFINITY) as { result: Program }).result;
    };
    return withConstants(this.native, constants, (byHash) =>
      withConstants(this.native, externals, (byName) =>
        load({ constants: byHash, externals: byName }),
      ),
    );
  }

  /**
   * Makes a state of tensors, which are the state's from now on: values that change, and that one owner has at a time.
   * @throws DavitError `argument_invalid`, `tensor_freed`, `tensor_foreign`
   */
  state<S extends Tree<Tensor>>(tensors: S): State<S> {
    this.#checkOpen();
    const { leaves, rebuild } = flatten<Tensor>(tensors);
    const wrong = leaves.find((leaf) => !(leaf instanceof Tensor));
    if (wrong !== undefined) {
      const expected = "a tensor, or lists and objects of tensors";
      const message = `a state has ${show(wrong)}; expected ${expected}`;
      throw new DavitError("argument_invalid", message, { expected });
    }
    const own = leaves.map((tensor) => this.share(tensor));
    for (const tensor of leaves) tensor.dispose();
    return new State(this, rebuild(own) as S);
  }

  /** Another handle of a tensor. @internal */
  share(tensor: Tensor): Tensor {
    const value = tensor.valueIn(this.native);
    return guarded(
      () => new Tensor(this.native, this.native.share(value), tensor.type, tensor.ready),
    );
  }

  /** Forgets a program; runs under way go on. One that nobody refers to is forgotten in time without that. */
  unload(program: Program): void {
    this.#programs.unload(program.id);
  }

  /**
   * Runs a program on tensors, one for each parameter. Returns its results at once, as tensors that are pending.
   * @throws DavitError `input_count_invalid`, `input_type_invalid`, `tensor_freed`, `tensor_foreign`
   */
  run(program: Program, inputs: readonly Tensor[], options: ProgramRunOptions = {}): ProgramRun {
    return runOnTensors(this, program, inputs, options);
  }

  /**
   * The memory of the engine, and who has it. It is looked for among all tensors: with a million of them this takes most of a second.
   */
  memory(): EngineMemory {
    const { active, peak, cache, limit } = this.native.memory();
    const owners = MemoryOwners.of(this.native).list();
    return { active, peak, cached: cache, limit, cacheLimit: this.options.cacheLimit, owners };
  }

  /** Memory in bytes, and counts since the engine began. */
  info(): { memory: NativeMemory; counters: Readonly<Record<string, number>> } {
    const counters = { ...this.native.counters(), programs: this.#programs.size };
    return { memory: this.native.memory(), counters };
  }

  /** Cancels what is under way and takes nothing more; resolves when the last run is over and the engine's threads have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#runs.cancelAll("engine_closed", "the engine was closed");
    this.native.close();
  }

  /**
   * As {@link Engine.load}, to be advanced a while at a time. The graph may also come as its canonical bytes, which are
   * kept, or from the store. `owner` is whose subscriptions see the program beside those to all programs.
   * @internal
   */
  loading(source: ProgramSource, bindings: Bindings = {}, owner?: object): Work<Program> {
    this.#checkOpen();
    return this.#programs.loading(source, bindings, owner);
  }

  /**
   * Starts a run on native tensors, one per parameter. They may be pending: the run waits for them.
   * @throws DavitError `input_count_invalid`, `input_type_invalid`, `tensor_freed`, `tensor_unknown`
   * @internal
   */
  start(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    options: RunOptions = {},
  ): Run {
    this.#checkOpen();
    const queue = options.queue ?? Nesting.queue(this.native) ?? this.#queue;
    return this.#runs.start(program, inputs, queue, options);
  }

  /** See {@link EngineRuns.runHere}. @internal */
  runHere(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    queue: QueueId,
  ): ArrayBuffer[] | undefined {
    this.#checkOpen();
    return this.#runs.runHere(program, inputs, queue);
  }

  /** See {@link EngineRuns.makeHere}. @internal */
  makeHere(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    queue: QueueId,
  ): ValueId[] | undefined {
    this.#checkOpen();
    return this.#runs.makeHere(program, inputs, queue);
  }

  /** See {@link EngineRuns.reply}. @internal */
  reply(run: RunId, callback: number, values: readonly (ValueId | Uint8Array)[]): void {
    this.#runs.reply(run, callback, values);
  }

  /** For runs of this process: the function that answers a site's callbacks, where it was given by name. @internal */
  callbackFor(site: Site): Callback | undefined {
    return site.name === undefined ? undefined : this.#callbacks.get(site.name);
  }

  /** Calls a callback: the runs that it starts do not queue behind the run that waits for it. @internal */
  async nested<T>(callback: () => T): Promise<Awaited<T>> {
    const nesting = new Nesting(this.native);
    try {
      return await nesting.run(callback);
    } finally {
      nesting.close();
    }
  }

  /** @internal */
  createQueue(): QueueId {
    this.#checkOpen();
    return this.native.createQueue();
  }

  /** @internal */
  closeQueue(queue: QueueId): void {
    this.native.closeQueue(queue);
  }

  /** Runs that were started and are not over. @internal */
  get runsUnderWay(): number {
    return this.#runs.size;
  }

  #checkOpen(): void {
    if (this.#closed) throw new DavitError("engine_closed", "the engine was closed");
  }
}
