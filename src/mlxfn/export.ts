import { rename, rm } from "node:fs/promises";
import type { Engine, GraphTensors } from "../engine/engine.js";
import type { Program } from "../engine/program.js";
import { DavitError, toDavitError } from "../error.js";
import { fromSystem } from "../files/error.js";
import { checkWritable } from "../files/open.js";
import { formatPlace } from "../graph/error.js";
import type { Graph } from "../graph/graph.js";
import { customCallKind } from "../graph/ops/custom-call.js";
import type { Tensor } from "../native-tensor.js";
import { formatType } from "../tensor/dtype.js";

/** A trace to be exported: a graph, and the tensors that it needs. What `engine.jit(f).trace(...)` returns is one. */
export interface ExportedTrace extends GraphTensors {
  /** The graph, without control flow and callbacks. */
  readonly graph: Graph;
  /** Tensors that a traced function used, as its externals. */
  readonly captures?: ReadonlyMap<string, Tensor>;
  /** Names of its last parameters, which are given by keyword. None by default: all are given by position. */
  readonly keywords?: readonly string[];
}

/** Options of {@link exportFunction}. */
export interface ExportFunctionOptions {
  /** A text to be kept in the file. */
  readonly metadata?: string;
}

/** What {@link exportFunction} did. */
export interface ExportedFunction {
  /** The number of hooks and prints that the file does without. */
  readonly hooksLeftOut: number;
}

/** Custom calls that return their operands. */
const LEFT_OUT: ReadonlySet<string | undefined> = new Set(["hook", "print", "hook_gradient"]);
let files = 0;

/**
 * Writes a function to a .mlxfn file, which MLX runs in Python, C++ or Swift. MLX itself writes it, of the primitives that Davit's ops become.
 * A tensor that several traces use is in the file once. The file is there when it is whole.
 *
 * ```ts
 * const f = engine.jit((x, scale) => x.matmul(weights).multiply(scale));
 * await exportFunction(engine, "f.mlxfn", [{ ...f.trace(x, scale), keywords: ["scale"] }]);
 * ```
 * @throws DavitError `export_unsupported` with the node that cannot be written; `argument_invalid`; FileError
 */
export async function exportFunction(
  engine: Engine,
  path: string,
  traces: readonly ExportedTrace[],
  { metadata = "" }: ExportFunctionOptions = {},
): Promise<ExportedFunction> {
  checkSignatures(traces);
  await checkWritable(path);
  const programs: Program[] = [];
  const part = `${path}.${process.pid}.${files++}.part`;
  try {
    for (const { graph, constants, externals, captures } of traces) {
      const named = new Map([...(externals ?? []), ...(captures ?? [])]);
      const all = [...(constants?.values() ?? []), ...named.values()];
      await Promise.all(all.map((tensor) => tensor.evaluate()));
      programs.push(engine.load(graph, { externals: named, ...(constants && { constants }) }));
    }
    const written = programs.map(({ id }, index) => ({
      program: id,
      keywords: traces[index]?.keywords ?? [],
    }));
    await engine.native.exportPrograms(part, written, metadata);
    await rename(part, path).catch((error) => {
      throw fromSystem(error, path);
    });
  } catch (error) {
    await rm(part, { force: true });
    throw failure(error, programs);
  } finally {
    for (const program of programs) engine.unload(program);
  }
  return { hooksLeftOut: traces.reduce((sum, { graph }) => sum + hooksOf(graph), 0) };
}

/** Refuses keywords that are not names of parameters' own, and traces that a call could not choose between. */
function checkSignatures(traces: readonly ExportedTrace[]): void {
  const known = new Set<string>();
  for (const { graph, keywords = [] } of traces) {
    const parameters = graph.functions[0]?.parameters ?? [];
    const names = new Set(keywords);
    if (names.size < keywords.length || keywords.length > parameters.length) {
      throw invalid(
        `the keywords are ${keywords.join(", ")} for ${parameters.length} parameters`,
        "a name of its own for each of the last parameters",
      );
    }
    const positions = parameters.length - keywords.length;
    const types = parameters.map(formatType);
    const named = keywords.map((name, index) => `${name}=${types[positions + index]}`);
    const signature = [...types.slice(0, positions), ...named.sort()].join(", ");
    if (known.has(signature)) {
      throw invalid(`two traces take (${signature})`, "traces with inputs of different types");
    }
    known.add(signature);
  }
}

function invalid(problem: string, expected: string): DavitError {
  return new DavitError("argument_invalid", `${problem}; expected ${expected}`, { expected });
}

function hooksOf(graph: Graph): number {
  const nodes = graph.functions.flatMap((item) => item.nodes);
  return nodes.filter((node) => LEFT_OUT.has(customCallKind(node))).length;
}

/** The error of the native engine, with the node at fault where there is one trace to look for it in. */
function failure(error: unknown, programs: readonly Program[]): unknown {
  const { code, message, site } = error as Partial<Pick<DavitError, "code" | "message" | "site">>;
  const [program, ...others] = programs;
  if (code === undefined || site === undefined || program === undefined || others.length > 0) {
    return toDavitError(error);
  }
  const details = program.describe(site);
  const { op, label, inputs } = details;
  return new DavitError(code, message + formatPlace({ op, label, inputs }), details);
}
