import { argumentInvalid } from "../error.js";
import type { FileRange } from "../files/array.js";
import type { Graph } from "../graph/graph.js";
import { formatType, sameRank, sameType, type TensorType } from "../tensor/dtype.js";
import { openMlxFunction, type Trace } from "./file.js";
import { constantName, inputNames, lowerTrace } from "./lower.js";

/** What a function takes and returns in one of its traces. */
export interface Signature {
  /** The types of its inputs: those by position, then those by keyword. */
  readonly inputs: readonly TensorType[];
  /** The names of the last inputs, which are given by keyword. */
  readonly keywords: readonly string[];
  /** The types of its results. */
  readonly results: readonly TensorType[];
}

/** A function that MLX exported, as graphs of Davit. */
export interface OpenedFunction {
  /** The path of its file. */
  readonly path: string;
  /** The version of MLX that wrote the file. */
  readonly version: string;
  /** Whether it was exported for inputs of any sizes. */
  readonly shapeless: boolean;
  /** The text that was exported with it. */
  readonly metadata: string;
  /** What it takes and returns, for each of its traces. */
  readonly signatures: readonly Signature[];
  /** The constants that stay in the file, by the names that graphs have for them as externals. */
  readonly constants: ReadonlyMap<string, FileRange>;
  /** How many bytes of the file were read. */
  readonly bytesRead: number;
  /**
   * Returns the graph of a trace. Its parameters are named `arg0`, `arg1`, …, and by keywords; nodes are labelled by their op
   * and a number, as `matmul.0`, so that hooks and probes find them.
   * `inputs` are the types of its parameters, those of the trace by default; other sizes are for shapeless functions.
   * @throws FileError `file_primitive_unsupported` where no op stands for one of its primitives; DavitError `argument_invalid` where there is
   * no such trace, or it has other inputs, and others where an op does not take these sizes
   */
  graph(trace: number, inputs?: readonly TensorType[]): Graph;
}

/**
 * Opens a .mlxfn file, a function that MLX exported: reads its structure and none of its constants but small ones. The
 * file is checked before anything of it is used, so it may come from anywhere.
 * @throws FileError `file_malformed`, `file_truncated`, `file_missing`, `file_unreadable`
 */
export function openFunction(path: string): OpenedFunction {
  const file = openMlxFunction(path);
  const { version, shapeless, metadata, traces, constants, bytesRead } = file;
  const stored = constants.flatMap(({ bytes, type, offset }, index): [string, FileRange][] =>
    bytes === undefined ? [[constantName(index), { type, offset }]] : [],
  );
  return {
    path,
    version,
    shapeless,
    metadata,
    signatures: traces.map(signatureOf),
    constants: new Map(stored),
    bytesRead,
    graph: (trace, inputs) => lowerTrace(file, checked(trace, inputs), inputs),
  };

  function checked(index: number, inputs: readonly TensorType[] | undefined): Trace {
    const trace = traces[index];
    if (trace === undefined) {
      throw argumentInvalid(`${path} has no trace ${index}`, `one of its ${traces.length}, from 0`);
    }
    const fits = shapeless ? sameRank : sameType;
    const fit = (type: TensorType, at: number) => fits(type, trace.inputs[at] as TensorType);
    if (inputs !== undefined && (inputs.length !== trace.inputs.length || !inputs.every(fit))) {
      throw argumentInvalid(
        `trace ${index} of ${path} has no inputs (${inputs.map(formatType).join(", ")})`,
        `(${trace.inputs.map(formatType).join(", ")})${shapeless ? ", with any sizes" : ""}`,
      );
    }
    return trace;
  }

  function signatureOf(trace: Trace): Signature {
    const made = trace.steps.flatMap((step) =>
      step.kind === "primitive"
        ? step.outputs
        : [(constants[step.constant] as { type: TensorType }).type],
    );
    const types = [...trace.inputs, ...made];
    const results = trace.results.map((result) => types[result] as TensorType);
    return { inputs: trace.inputs, keywords: trace.keywords, results };
  }
}

/** A signature for people: `(arg0: float32[3, 4], temperature=float32[]) -> float32[3, 2]`. */
export function formatSignature({ inputs, keywords, results }: Signature): string {
  const names = inputNames({ inputs, keywords });
  const positions = inputs.length - keywords.length;
  const given = inputs.map((type, index) => {
    const sign = index < positions ? ": " : "=";
    return `${names[index]}${sign}${formatType(type)}`;
  });
  return `(${given.join(", ")}) -> ${results.map(formatType).join(", ")}`;
}
