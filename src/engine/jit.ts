import { argumentInvalid, DavitError, guarded } from "../error.js";
import { graphHash } from "../graph/encoding/canonical.js";
import type { Graph } from "../graph/graph.js";
import type { EventHandler } from "../hooks/event.js";
import { onEvents } from "../hooks/handlers.js";
import type { Match } from "../hooks/match.js";
import type { SubscriptionOptions } from "../hooks/policy.js";
import type { Subscription } from "../hooks/subscription.js";
import type { QueueId } from "../native.js";
import type { Tensor } from "../native-tensor.js";
import type { Work } from "../steps.js";
import type { TensorLike } from "../tensor/values.js";
import { TraceContext } from "../trace/builder.js";
import type { OperandLeaf, OperandTree } from "../trace/control.js";
import { ofType, type TensorTypeLeaf } from "../trace/tensor-type-leaf.js";
import { type TraceResult, trace } from "../trace/trace.js";
import { flatten, type Tree } from "../trace/tree.js";
import { type Argument, inputsOf, toTensors } from "./arguments.js";
import { type GraphTensors, withConstants } from "./constants.js";
import { checkFold, type Fold, loadFolded } from "./fold.js";
import { type Bound, bindNote, type JitStore, jitStore, noteOf, storeKey } from "./jit-store.js";
import type { Bindings, Program, ProgramSource } from "./program.js";
import { ProgramCache, type ProgramCounts } from "./program-cache.js";
import type { ProgramStore } from "./program-store.js";
import { type Binding, type BindingEngine, bindSlots } from "./slots.js";
import { checkPositions, type ProgramRun, type ProgramRunOptions } from "./tensor-run.js";

/** The result of a traced function: tensors in the place of traced values. */
export type Result<T> = OperandTree extends T
  ? Tree<Tensor>
  : T extends OperandLeaf
    ? Tensor
    : T extends object
      ? { -readonly [K in keyof T]: Result<T[K]> }
      : Tensor;

/** Options of {@link Engine.jit}. */
export interface JitOptions {
  /** The number of programs to keep: those used last. Default 128. */
  readonly maxPrograms?: number;
  /** Keeps the programs on disk, for the next process: docs/store.md. A text is the name of the function there. */
  readonly store?: string | JitStore;
  /** Whether what depends on constants and captured tensors alone is computed once and not by every run. Default `"never"`; not together with `store`. */
  readonly fold?: Fold;
}

/** Options of a call. */
export interface CallOptions {
  /** Cancels the run. */
  readonly signal?: AbortSignal;
  /**
   * Positions of arguments whose tensors are freed when the run begins, as `donate_argnums` of `jax.jit`: where nothing else has such
   * a tensor, MLX may compute a result in its memory.
   */
  readonly donate?: readonly number[];
  /** @internal */
  readonly queue?: QueueId;
}

/** A function that runs on an engine; traced once for every combination of argument types. */
export interface Jitted<R> extends Disposable {
  /** Runs the function. Resolves with its result when the run is over. */
  (...args: Argument[]): Promise<Result<R>>;
  /** As calling it, with options of the run. */
  with(options: CallOptions, ...args: Argument[]): Promise<Result<R>>;
  /**
   * Calls a handler with every event of the hooks of this name, in the programs of this function. {@link Engine.on} is
   * for those of all functions.
   */
  on(name: string, handler: EventHandler, options?: SubscriptionOptions): Subscription;
  /**
   * As {@link Jitted.on}, with every event of the labelled nodes that a glob matches (`encoder.3.*`), hooks or not:
   * labels come from `label`. The function need not be traced again, nor its source touched.
   */
  probe(glob: string, handler: EventHandler, options?: SubscriptionOptions): Subscription;
  /** Returns the program for arguments like these, which is traced if need be. It may be used as long as it is referred to. */
  program(...args: Argument[]): Program;
  /** Returns the trace for arguments like these: the graph and the tensors that it captured. */
  trace(...args: Argument[]): TraceResult;
  /** Counts of the function's programs so far. */
  readonly programs: ProgramCounts;
  /** Frees its programs and their constants now; runs under way go on. It cannot be called any more. */
  dispose(): void;
}

/** The parts of an engine that its functions use. */
export interface JitEngine extends BindingEngine {
  readonly programStore: ProgramStore;
  loading(source: ProgramSource, bindings: Bindings, owner: object): Work<Program>;
  load(graph: Graph, tensors: GraphTensors): Program;
  unload(program: Program): void;
  run(program: Program, inputs: readonly Tensor[], options?: ProgramRunOptions): ProgramRun;
  tensor(value: TensorLike): Tensor;
}

/** The types of the arguments. */
type Examples = readonly Tree<TensorTypeLeaf>[];

interface Entry extends Bound {
  readonly program: Program;
  /** Whether the store had it. */
  readonly stored: boolean;
  /** The trace; made now, where the program came from the store. */
  traced(): TraceResult;
  /** Compares the program with the function, once. */
  verify: (() => void) | undefined;
  /** Others may have the program: it is unloaded when nobody refers to it. */
  lent: boolean;
}

/** See {@link Engine.jit}. */
export function jit<R extends OperandTree>(
  engine: JitEngine,
  fn: (...args: never[]) => R,
  options: JitOptions = {},
): Jitted<R> {
  /** The owner of its programs, by which subscriptions to this function know them. */
  const owner = {};
  const cache = new ProgramCache<Entry>(options.maxPrograms, ({ program, lent }) => {
    if (!lent) engine.unload(program);
  });

  const store = options.store === undefined ? undefined : jitStore(options.store);
  const { programStore } = engine;
  let warned = false;

  const traceFor = (examples: Examples): TraceResult =>
    guarded(() => trace(fn as never, examples, fn.name || "main"));

  const { fold = "never" } = options;
  checkFold(fold);
  if (fold !== "never" && store !== undefined) {
    throw argumentInvalid("a function has the options fold and store", "one of the options");
  }

  const loadProgram = (source: ProgramSource, captures: ReadonlyMap<string, Tensor>): Program =>
    withConstants(engine.native, captures, (externals) => {
      const work = engine.loading(source, { externals }, owner);
      return (work.advance(Number.POSITIVE_INFINITY) as { result: Program }).result;
    });

  const load = (examples: Examples, key: string): Entry => {
    const name = store === undefined ? undefined : storeKey(store, key);
    const found = name === undefined ? undefined : programStore.find(name);
    if (found !== undefined) {
      const bound = bindNote(found.note, store?.captured ?? []);
      const program = loadProgram(found, bound.externals);
      return {
        ...bound,
        program,
        stored: true,
        traced: () => traceFor(examples),
        verify:
          store?.verify === true ? () => verify(examples, key, name as string, program) : undefined,
        lent: false,
      };
    }
    const traced = traceFor(examples);
    const tensors = { externals: traced.captures };
    const program = loadFolded(engine, traced.graph, tensors, fold, (graph, { externals }) =>
      loadProgram(graph, externals ?? new Map()),
    );
    if (name !== undefined) keep(name, traced, program);
    const { slots, results } = traced;
    return {
      slots,
      rebuild: (outputs) => results.rebuild(outputs),
      program,
      stored: false,
      traced: () => traced,
      verify: undefined,
      lent: false,
    };
  };

  const keep = (name: string, traced: TraceResult, program: Program) => {
    const note = noteOf(traced, store?.captured ?? []);
    if (typeof note !== "string") programStore.add(name, program, note);
    else if (!warned) {
      warned = true;
      const message = `the programs of "${store?.name}" are not kept: the function uses ${note} that \`captured\` does not have`;
      process.emitWarning(message, { code: "DAVIT_STORE" });
    }
  };

  /** After a run: drops what the store had, where the function now is another one. */
  const verify = (examples: Examples, key: string, name: string, program: Program) => {
    let same: boolean;
    try {
      same = graphHash(traceFor(examples).graph) === program.hash;
    } catch {
      // The next call throws it.
      same = false;
    }
    if (same) return;
    programStore.forget(name);
    cache.drop(key);
    const message = `the store had another program of "${store?.name}" than the function is now: results so far are those of the old one`;
    process.emitWarning(message, { code: "DAVIT_STORE" });
  };

  const entryFor = (args: readonly Argument[], made: Tensor[]) => {
    const flat = flatten<Tensor>(args.map((arg) => toTensors(engine, arg, made)));
    const types = flat.leaves.map(({ type }) => type);
    const key = `${flat.structure}|${types.map(({ dtype, shape }) => `${dtype}[${shape}]`).join()}`;
    const entry = cache.get(key, () => {
      const examples = flat.rebuild(types.map(ofType)) as Examples;
      return load(examples, key);
    });
    return { entry, flat };
  };

  /** The program's entry for others, to whom the arguments are examples. */
  const example = (args: readonly Argument[]) => {
    refuseInTrace(fn.name);
    const made: Tensor[] = [];
    try {
      return entryFor(args, made).entry;
    } finally {
      for (const tensor of made) tensor.dispose();
    }
  };

  const call = (options: CallOptions, args: Argument[]): Promise<unknown> => {
    refuseInTrace(fn.name);
    return start(options, args);
  };

  const start = async (
    { donate = [], ...options }: CallOptions,
    args: Argument[],
  ): Promise<unknown> => {
    checkPositions(donate, args.length, "arguments");
    const made: Tensor[] = [];
    let bound: Binding | undefined;
    try {
      const { entry, flat } = entryFor(args, made);
      bound = bindSlots(engine, entry.program, entry.slots);
      const run = engine.run(entry.program, flat.leaves, {
        ...options,
        donate: inputsOf(flat, donate),
        subscriptions: bound.subscriptions,
      });
      bound.started(run.id);
      for (const tensor of made.splice(0)) tensor.dispose();
      await bound.settled(run.done);
      if (entry.verify !== undefined) setImmediate(entry.verify);
      entry.verify = undefined;
      return entry.rebuild(run.outputs);
    } finally {
      bound?.close();
      for (const tensor of made) tensor.dispose();
    }
  };

  const subscribe = (match: Match, handler: EventHandler, options: SubscriptionOptions = {}) =>
    onEvents(engine.hooks, { ...options, match }, handler, owner);

  const members = {
    with: (options: CallOptions, ...args: Argument[]) => call(options, args),
    on: (name: string, handler: EventHandler, options?: SubscriptionOptions) =>
      subscribe({ name }, handler, options),
    probe: (probe: string, handler: EventHandler, options?: SubscriptionOptions) =>
      subscribe({ probe }, handler, options),
    program: (...args: Argument[]) => {
      const entry = example(args);
      entry.lent = true;
      return entry.program;
    },
    trace: (...args: Argument[]) => example(args).traced(),
    dispose: () => cache.dispose(),
    [Symbol.dispose]: () => cache.dispose(),
  };
  const jitted = Object.assign((...args: Argument[]) => call({}, args), members);
  Object.defineProperty(jitted, "programs", { get: () => cache.counts, enumerable: true });
  return jitted as unknown as Jitted<R>;
}

/** Refuses a run in a function that is being traced, at once: its promise would be of no use there. */
function refuseInTrace(name: string): void {
  if (TraceContext.current === undefined) return;
  const outer = TraceContext.current.name;
  const expected = `the function itself, not what engine.jit made of it; or \`callback\`, to run it while the program runs`;
  const what = name === "" ? "a jitted function" : `the jitted function "${name}"`;
  throw new DavitError(
    "jit_nested",
    `${what} was called inside the traced function "${outer}"; expected ${expected}`,
    { expected },
  );
}
