import type { Engine } from "../engine/engine.js";
import type { Program } from "../engine/program.js";
import { DavitError } from "../error.js";
import type { FileRange } from "../files/array.js";
import { FileError } from "../files/error.js";
import { boundNamesOf } from "../graph/bound-values.js";
import type { EventHandler } from "../hooks/event.js";
import { onEvents } from "../hooks/handlers.js";
import type { SubscriptionOptions } from "../hooks/policy.js";
import type { Subscription } from "../hooks/subscription.js";
import { Tensor } from "../native-tensor.js";
import { formatType, sameType, type TensorType } from "../tensor/dtype.js";
import { type TensorLike, typeOfValue } from "../tensor/values.js";
import { formatSignature, type OpenedFunction, openFunction, type Signature } from "./opened.js";

/** Options of {@link ImportedFunction.open}. */
export interface ImportOptions {
  /**
   * Whether constants stay in memory after the first call with their trace. Default true; with false they are freed after
   * each call, and read again by the next.
   */
  readonly keep?: boolean;
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
  readonly #programs = new Map<number, Program>();
  readonly #constants = new Map<string, Tensor>();
  #disposed = false;

  private constructor(engine: Engine, path: string, { keep = true }: ImportOptions) {
    this.#engine = engine;
    this.#keep = keep;
    this.opened = openFunction(path);
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
    if (this.#disposed) {
      const expected = "a function that was not disposed of";
      throw new DavitError("function_disposed", `${this.opened.path} was disposed of`, {
        expected,
      });
    }
    const trace = this.#traceFor(inputs, keywords);
    const { inputs: types, keywords: names } = this.signatures[trace] as Signature;
    const values = [...inputs, ...names.map((name) => keywords[name] as ImportedInput)];
    const made: Tensor[] = [];
    const tensors = values.map((value, index) => {
      if (value instanceof Tensor) return value;
      const tensor = this.#engine.tensor(value, (types[index] as TensorType).dtype);
      made.push(tensor);
      return tensor;
    });
    const program = this.#programs.get(trace) ?? this.#load(trace);
    try {
      const run = this.#engine.run(program, tensors, signal === undefined ? {} : { signal });
      await run.done;
      return run.outputs;
    } finally {
      for (const tensor of made) tensor.dispose();
      if (!this.#keep) this.#unload(trace);
    }
  }

  /** Calls a handler with the values of the nodes whose labels a glob matches, in every call: `matmul.*`. */
  probe(glob: string, handler: EventHandler, options: SubscriptionOptions = {}): Subscription {
    return onEvents(this.#engine.hooks, { ...options, match: { probe: glob } }, handler, this);
  }

  /** Frees its programs and constants now; runs under way go on. */
  dispose(): void {
    this.#disposed = true;
    this.#disposeOfConstants();
    for (const trace of [...this.#programs.keys()]) this.#unload(trace);
  }

  /** As {@link ImportedFunction.dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #load(trace: number): Program {
    const graph = this.opened.graph(trace);
    const names = [...boundNamesOf(graph, "external")];
    const externals = new Map(names.map((name) => [name, this.#constant(name)]));
    try {
      const program = this.#engine.load(graph, { externals }, this);
      this.#check(trace, program);
      this.#programs.set(trace, program);
      return program;
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
      if (sameType(made, type)) continue;
      const problem = `it says that result ${index} is ${formatType(type)}`;
      throw new FileError("file_malformed", this.opened.path, problem, formatType(made));
    }
  }

  #unload(trace: number): void {
    const program = this.#programs.get(trace);
    if (program === undefined) return;
    this.#programs.delete(trace);
    this.#engine.unload(program);
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
        given.every((value, index) => fits(value, signature.inputs[index] as TensorType))
      );
    });
    if (trace !== -1) return trace;
    const known = this.signatures.map((signature) => `\n  ${formatSignature(signature)}`).join("");
    const sizes = this.opened.shapeless
      ? "; it was exported shapeless, and Davit runs it at the sizes of its traces"
      : "";
    const given = [
      ...inputs.map(describe),
      ...names.map((name) => `${name}=${describe(keywords[name] as ImportedInput)}`),
    ];
    throw new DavitError(
      "input_type_invalid",
      `${this.opened.path} has no trace for (${given.join(", ")})${sizes}; expected one of${known}`,
      { expected: known },
    );
  }
}

/** Whether a value may be an input: what is no tensor yet becomes one of the input's element type. */
function fits(value: ImportedInput | undefined, type: TensorType): boolean {
  if (value === undefined) return false;
  if (value instanceof Tensor) return sameType(value.type, type);
  return sameType(typeOfValue(value, type.dtype), type);
}

function describe(value: ImportedInput): string {
  return value instanceof Tensor
    ? formatType(value.type)
    : `values of the shape [${typeOfValue(value).shape}]`;
}
