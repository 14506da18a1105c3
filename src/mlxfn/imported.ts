import type { GraphTensors } from "../engine/constants.js";
import type { Engine } from "../engine/engine.js";
import { checkFold, type Fold, loadFolded } from "../engine/fold.js";
import type { Program } from "../engine/program.js";
import { ProgramCache } from "../engine/program-cache.js";
import { DavitError } from "../error.js";
import type { FileRange } from "../files/array.js";
import { FileError } from "../files/error.js";
import { boundNamesOf } from "../graph/bound-values.js";
import type { Graph } from "../graph/graph.js";
import type { EventHandler } from "../hooks/event.js";
import { onEvents } from "../hooks/handlers.js";
import type { SubscriptionOptions } from "../hooks/policy.js";
import type { Subscription } from "../hooks/subscription.js";
import { Tensor } from "../native-tensor.js";
import { formatType, sameRank, sameType, type TensorType } from "../tensor/dtype.js";
import { type TensorLike, typeOfValue } from "../tensor/values.js";
import { formatSignature, type OpenedFunction, openFunction, type Signature } from "./opened.js";

/** Options of {@link ImportedFunction.open}. */
export interface ImportOptions {
  /**
   * Whether constants stay in memory after the first call with their trace. Default true; with false they are freed after
   * each call, and read again by the next.
   */
  readonly keep?: boolean;
  /** Whether what depends on constants alone is computed by the first call only. Default `"never"`. */
  readonly fold?: Fold;
}

/** Options of {@link ImportedFunction.call}. */
export interface ImportedCallOptions {
  /** Cancels the run. */
  readonly signal?: AbortSignal;
}

/** A value for an input: a tensor, or what one of the input's type is made of. */
export type ImportedInput = Tensor | TensorLike;

/**
 * A function that MLX exported to a .mlxfn file, for example from Python, on an engine. Calls may overlap.
 *
 * ```ts
 * const f = ImportedFunction.open(engine, "model.mlxfn");
 * f.probe("softmax.*", ({ label, value }) => console.log(label, value));
 * const [y] = await f.call([x], { temperature: 0.7 });
 * ```
 */
export class ImportedFunction implements Disposable {
  /** The function as graphs, with its signatures and metadata. */
  readonly opened: OpenedFunction;
  readonly #engine: Engine;
  readonly #keep: boolean;
  readonly #fold: Fold;
  /** By the trace and, where sizes are free, the types of the inputs. */
  readonly #programs: ProgramCache<{ readonly program: Program; readonly stored: false }>;
  readonly #constants = new Map<string, Tensor>();

  private constructor(
    engine: Engine,
    path: string,
    { keep = true, fold = "never" }: ImportOptions,
  ) {
    checkFold(fold);
    this.#engine = engine;
    this.#keep = keep;
    this.#fold = fold;
    this.opened = openFunction(path);
    this.#programs = new ProgramCache(undefined, ({ program }) => engine.unload(program));
  }

  /** Opens a file. Constants are read by the first call that needs them. @throws FileError as {@link openFunction} */
  static open(engine: Engine, path: string, options: ImportOptions = {}): ImportedFunction {
    return new ImportedFunction(engine, path, options);
  }

  /** What it takes and returns, for each of its traces. */
  get signatures(): readonly Signature[] {
    return this.opened.signatures;
  }

  /**
   * Calls the function in the trace that the inputs are for. Resolves with its results when the run is over.
   * @throws DavitError `input_type_invalid` where there is no such trace: the message lists the signatures
   */
  async call(
    inputs: readonly ImportedInput[],
    keywords: Readonly<Record<string, ImportedInput>> = {},
    { signal }: ImportedCallOptions = {},
  ): Promise<Tensor[]> {
    const trace = this.#traceFor(inputs, keywords);
    const { inputs: expected, keywords: names } = this.signatures[trace] as Signature;
    const values = [...inputs, ...names.map((name) => keywords[name] as ImportedInput)];
    const types = values.map((value, index) => typeOf(value, expected[index] as TensorType));
    const key = `${trace}|${types.map(formatType)}`;
    const { program } = this.#programs.get(key, () => this.#load(trace, types));
    const made: Tensor[] = [];
    try {
      const tensors = values.map((value, index) => {
        if (value instanceof Tensor) return value;
        const tensor = this.#engine.tensor(value, types[index]?.dtype);
        made.push(tensor);
        return tensor;
      });
      const run = this.#engine.run(program, tensors, signal === undefined ? {} : { signal });
      await run.done;
      return run.outputs;
    } finally {
      for (const tensor of made) tensor.dispose();
      if (!this.#keep) this.#programs.drop(key);
    }
  }

  /** Calls a handler with the values of the nodes whose labels a glob matches, in every call: `matmul.*`. */
  probe(glob: string, handler: EventHandler, options: SubscriptionOptions = {}): Subscription {
    return onEvents(this.#engine.hooks, { ...options, match: { probe: glob } }, handler, this);
  }

  /** Frees its programs and constants now; runs under way go on. */
  dispose(): void {
    this.#disposeOfConstants();
    this.#programs.dispose();
  }

  /** As {@link ImportedFunction.dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #load(trace: number, types: readonly TensorType[]) {
    const graph = this.opened.graph(trace, types);
    const names = [...boundNamesOf(graph, "external")];
    const externals = new Map(names.map((name) => [name, this.#constant(name)]));
    try {
      const load = (rest: Graph, tensors: GraphTensors) => this.#engine.load(rest, tensors, this);
      const program = loadFolded(this.#engine, graph, { externals }, this.#fold, load);
      this.#check(trace, program);
      return { program, stored: false } as const;
    } finally {
      if (!this.#keep) this.#disposeOfConstants();
    }
  }

  /** The tensor of a constant, which all traces that use it have in common. It is read when a run first needs it. */
  #constant(name: string): Tensor {
    const { path, constants } = this.opened;
    const { offset, type } = constants.get(name) as FileRange;
    const tensor = this.#constants.get(name) ?? this.#engine.fileTensor(path, offset, type);
    this.#constants.set(name, tensor);
    return tensor;
  }

  /** Programs that are loaded keep what they need of them. */
  #disposeOfConstants(): void {
    for (const tensor of this.#constants.values()) tensor.dispose();
    this.#constants.clear();
  }

  /** Refuses a file whose types are not those that its ops have. */
  #check(trace: number, program: Program): void {
    const { results } = this.signatures[trace] as Signature;
    for (const [index, type] of results.entries()) {
      const made = program.outputs[index] as TensorType;
      if (this.#fits(made, type)) continue;
      const problem = `it says that result ${index} is ${formatType(type)}`;
      throw new FileError("file_malformed", this.opened.path, problem, formatType(made));
    }
  }

  /** Whether a type is that of a trace: sizes are free in a shapeless function, the number of axes is not. */
  #fits(type: TensorType, wanted: TensorType): boolean {
    return this.opened.shapeless ? sameRank(type, wanted) : sameType(type, wanted);
  }

  /** The trace whose inputs have these types, and whose keywords are these. */
  #traceFor(
    inputs: readonly ImportedInput[],
    keywords: Readonly<Record<string, ImportedInput>>,
  ): number {
    const names = Object.keys(keywords).sort();
    const trace = this.signatures.findIndex((signature) => {
      const positions = signature.inputs.length - signature.keywords.length;
      const given = [...inputs, ...signature.keywords.map((name) => keywords[name])];
      return (
        positions === inputs.length &&
        String(signature.keywords.toSorted()) === String(names) &&
        given.every((value, index) => {
          const wanted = signature.inputs[index] as TensorType;
          return value !== undefined && this.#fits(typeOf(value, wanted), wanted);
        })
      );
    });
    if (trace !== -1) return trace;
    const known = this.signatures.map((signature) => `\n  ${formatSignature(signature)}`).join("");
    const sizes = this.opened.shapeless ? " these, with any sizes:" : "";
    const given = [
      ...inputs.map(describe),
      ...names.map((name) => `${name}=${describe(keywords[name] as ImportedInput)}`),
    ];
    throw new DavitError(
      "input_type_invalid",
      `${this.opened.path} has no trace for (${given.join(", ")}); expected one of${sizes}${known}`,
      { expected: known },
    );
  }
}

/** The type of an input: what is no tensor yet becomes one of the wanted element type. */
function typeOf(value: ImportedInput, wanted: TensorType): TensorType {
  return value instanceof Tensor ? value.type : typeOfValue(value, wanted.dtype);
}

function describe(value: ImportedInput): string {
  return value instanceof Tensor
    ? formatType(value.type)
    : `values of the shape [${typeOfValue(value).shape}]`;
}
