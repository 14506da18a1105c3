import { extname } from "node:path";
import type { Graph } from "../graph/graph.js";
import { formatSignature, openFunction } from "../mlxfn/opened.js";
import { UsageError } from "./command.js";
import { readGraph } from "./graph-file.js";
import type { InputSource } from "./inputs.js";

/** A program in a file: a graph, and the tensors that the file has for it. */
export interface FileProgram {
  readonly graph: Graph;
  /** The externals of the graph that are in the file, by name. */
  readonly externals: ReadonlyMap<string, InputSource>;
  /** What it takes and returns, where the file has several programs. */
  readonly signature?: string;
}

/** Reads the programs of a file: one of a graph file, one for each trace of a function that MLX exported. */
export async function readPrograms(path: string): Promise<FileProgram[]> {
  if (extname(path) !== ".mlxfn") return [{ graph: await readGraph(path), externals: new Map() }];
  const opened = openFunction(path);
  const externals = new Map(
    [...opened.constants].map(([name, range]): [string, InputSource] => [
      name,
      { kind: "range", path, range },
    ]),
  );
  return opened.signatures.map((signature, trace) => ({
    graph: opened.graph(trace),
    externals,
    signature: formatSignature(signature),
  }));
}

/**
 * Picks the program that inputs are for: the first for which `resolve` finds them. Returns it and what was found.
 * @throws UsageError that lists the signatures where there are several and none fits
 */
export async function pickProgram<T>(
  path: string,
  programs: readonly FileProgram[],
  resolve: (program: FileProgram) => Promise<T>,
): Promise<{ readonly program: FileProgram; readonly found: T }> {
  const errors: unknown[] = [];
  for (const program of programs) {
    try {
      return { program, found: await resolve(program) };
    } catch (error) {
      errors.push(error);
    }
  }
  if (programs.length === 1) throw errors[0];
  const known = programs.map(({ signature }) => `\n  ${signature}`).join("");
  throw new UsageError(`${path} has no trace for these inputs; it has${known || " none"}`);
}
