import { DavitError, guarded } from "../error.js";
import type { Graph } from "../graph/graph.js";
import type { EventHandler } from "../hooks/event.js";
import { onEvents } from "../hooks/handlers.js";
import type { Match } from "../hooks/match.js";
import type { SubscriptionOptions } from "../hooks/policy.js";
import type { Subscription } from "../hooks/subscription.js";
import type { QueueId } from "../native.js";
import { Tensor } from "../native-tensor.js";
import { isPlainObject } from "../realm.js";
import { show } from "../show.js";
import type { Work } from "../steps.js";
import { isTypedArray, type TypedArray } from "../tensor/typed-array.js";
import type { NestedArray, TensorLike } from "../tensor/values.js";
import { TraceContext } from "../trace/builder.js";
import type { OperandLeaf, OperandTree } from "../trace/control.js";
import { ofType, type TensorTypeLeaf } from "../trace/tensor-type-leaf.js";
import { type TraceResult, trace } from "../trace/trace.js";
import { type Flat, flatten, type Tree } from "../trace/tree.js";
import { withConstants } from "./constants.js";
import type { Bindings, Program } from "./program.js";
import { ProgramCache, type ProgramCounts } from "./program-cache.js";
import { type Binding, type BindingEngine, bindSlots } from "./slots.js";
import { checkPositions, type ProgramRun, type ProgramRunOptions } from "./tensor-run.js";

/** An argument: a tensor, what one can be made of, or a list or object of these. An array of numbers is one tensor. */
export type Argument = Tensor | NestedArray | TypedArray | readonly Argument[] | ArgumentObject;

/** Named arguments. */
export interface ArgumentObject {
  readonly [key: string]: Argument;
}

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
  loading(graph: Graph, bindings: Bindings, owner: object): Work<Program>;
  unload(program: Program): void;
  run(program: Program, inputs: readonly Tensor[], options: ProgramRunOptions): ProgramRun;
  tensor(value: TensorLike): Tensor;
}

interface Entry {
  readonly traced: TraceResult;
  readonly program: Program;
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

  const load = (args: Flat<Tensor>): Entry => {
    const trees = args.rebuild(args.leaves.map(({ type }) => ofType(type)));
    const traced = guarded(() =>
      trace(fn as never, trees as Tree<TensorTypeLeaf>[], fn.name || "main"),
    );
    const program = withConstants(engine.native, traced.captures, (externals) => {
      const work = engine.loading(traced.graph, { externals }, owner);
      return (work.advance(Number.POSITIVE_INFINITY) as { result: Program }).result;
    });
    return { traced, program, lent: false };
  };

  const entryFor = (args: readonly Argument[], made: Tensor[]) => {
    const flat = flatten<Tensor>(args.map((arg) => toTensors(engine, arg, made)));
    const types = flat.leaves.map(({ type }) => type);
    const key = `${flat.structure}|${types.map(({ dtype, shape }) => `${dtype}[${shape}]`).join()}`;
    const entry = cache.get(key, () => load(flat));
    return { entry, flat };
  };

  /** The program's entry for others, to whom the arguments are examples. */
  const example = (args: readonly Argument[]) => {
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
      bound = bindSlots(engine, entry.program, entry.traced.slots);
      const run = engine.run(entry.program, flat.leaves, {
        ...options,
        donate: inputsOf(flat, donate),
        subscriptions: bound.subscriptions,
      });
      bound.started(run.id);
      for (const tensor of made.splice(0)) tensor.dispose();
      await bound.settled(run.done);
      return entry.traced.results.rebuild(run.outputs);
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
    trace: (...args: Argument[]) => example(args).traced,
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
  const expected = `the function itself, not what engine.jit made of it; or \`callback\`, to run it while the program runs`;
  const what = name === "" ? "a jitted function" : `the jitted function "${name}"`;
  throw new DavitError(
    "jit_nested",
    `${what} was called inside a traced function; expected ${expected}`,
    { expected },
  );
}

/** The positions of the inputs that arguments, by their positions, are made of. */
function inputsOf(args: Flat<Tensor>, positions: readonly number[]): number[] {
  if (positions.length === 0) return [];
  return args.paths().flatMap(([arg], input) => (positions.includes(arg as number) ? [input] : []));
}

/** A tree of tensors from an argument; tensors that had to be made are noted. */
function toTensors(engine: JitEngine, arg: Argument, made: Tensor[]): Tree<Tensor> {
  if (arg instanceof Tensor) return arg;
  if (isPlainObject(arg)) {
    return Object.fromEntries(
      Object.entries(arg).map(([key, item]) => [key, toTensors(engine, item as Argument, made)]),
    );
  }
  if (Array.isArray(arg) && !isNumeric(arg)) {
    return arg.map((item) => toTensors(engine, item as Argument, made));
  }
  if (!isTypedArray(arg) && !Array.isArray(arg) && !isScalar(arg)) {
    const expected = "a tensor, numbers, a typed array, or a list or object of these";
    throw new DavitError("argument_invalid", `an argument is ${show(arg)}; expected ${expected}`, {
      expected,
    });
  }
  const tensor = engine.tensor(arg as NestedArray);
  made.push(tensor);
  return tensor;
}

function isScalar(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
}

/** Tells nested arrays of numbers from lists of tensors. */
function isNumeric(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isNumeric) : isScalar(value);
}
