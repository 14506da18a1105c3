import { extname } from "node:path";
import { FileError } from "../files/error.js";
import type { Graph } from "../graph/graph.js";
import { describeFunction } from "../mlxfn/describe.js";
import { inputNames } from "../mlxfn/lower.js";
import { formatSignature, openFunction } from "../mlxfn/opened.js";
import type { TensorType } from "../tensor/dtype.js";
import { UsageError } from "./command.js";
import { readGraph } from "./graph-file.js";
import type { InputSource } from "./inputs.js";
import { type Parameter, parametersOf } from "./parameters.js";

/** A program in a file. */
export interface FileProgram {
  readonly parameters: readonly Parameter[];
  /**
   * Returns its graph, for inputs of these types where sizes are free.
   * @throws FileError where a primitive of an exported function has no op
   */
  graph(inputs?: readonly TensorType[]): Graph;
}

/** A file of programs: a graph, or a function that MLX exported, which has one for each of its traces. */
export interface ProgramFile {
  readonly path: string;
  readonly programs: readonly FileProgram[];
  /** The externals of the graphs that are in the file, by name. */
  readonly externals: ReadonlyMap<string, InputSource>;
  /** What there is to say of a function that MLX exported. */
  readonly description?: string;
  /** What its programs take and return, where it may have several. */
  readonly signatures: readonly string[];
}

/** Opens a file of programs; its suffix tells what it is. */
export async function openPrograms(path: string): Promise<ProgramFile> {
  if (extname(path) === ".mlxfn") return openTraces(path);
  const graph = await readGraph(path);
  const program = { parameters: parametersOf(graph), graph: () => graph };
  return { path, programs: [program], externals: new Map(), signatures: [] };
}

function openTraces(path: string): ProgramFile {
  const opened = openFunction(path);
  const externals = [...opened.constants].map(([name, range]): [string, InputSource] => [
    name,
    { kind: "range", path, range },
  ]);
  return {
    path,
    programs: opened.signatures.map((signature, trace) => {
      const names = inputNames(signature);
      return {
        parameters: signature.inputs.map((type, index) => ({
          index,
          name: names[index],
          type,
          anySizes: opened.shapeless,
        })),
        graph: (inputs) => opened.graph(trace, inputs),
      };
    }),
    externals: new Map(externals),
    description: describeFunction(opened),
    signatures: opened.signatures.map(formatSignature),
  };
}

/**
 * Picks the program that inputs are for: the first for whose parameters `resolve` finds them. Returns it and what was found.
 * @throws UsageError that lists the signatures where there are several and none fits
 */
export async function pickProgram<T>(
  { path, programs, signatures }: ProgramFile,
  resolve: (parameters: readonly Parameter[]) => Promise<T>,
): Promise<{ readonly program: FileProgram; readonly found: T }> {
  for (const program of programs) {
    try {
      return { program, found: await resolve(program.parameters) };
    } catch (error) {
      if (programs.length === 1 || !isOfOtherInputs(error)) throw error;
    }
  }
  const known = signatures.map((signature) => `\n  ${signature}`).join("");
  throw new UsageError(`${path} has no trace for these inputs; it has${known || " none"}`);
}

/** Whether inputs are for other parameters: they have other names or types, or are more or less. */
function isOfOtherInputs(error: unknown): boolean {
  return (
    error instanceof UsageError ||
    (error instanceof FileError && error.code === "file_type_invalid")
  );
}
