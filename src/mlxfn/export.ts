import { rename, rm } from "node:fs/promises";
import type { GraphTensors } from "../engine/constants.js";
import type { Engine } from "../engine/engine.js";
import type { Program } from "../engine/program.js";
import { argumentInvalid, DavitError, toDavitError } from "../error.js";
import { fromSystem } from "../files/error.js";
import { checkWritable } from "../files/open.js";
import { formatPlace } from "../graph/error.js";
import type { Graph } from "../graph/graph.js";
import { customCallKind } from "../graph/ops/custom-call.js";
import type { NativeExportError } from "../native.js";
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

/** A loaded program to be exported. */
export interface ExportedProgram {
  readonly program: Program;
  /** As of {@link ExportedTrace}. */
  readonly keywords: readonly string[];
}

/** Options of {@link exportFunction}. */
export interface ExportFunctionOptions {
  /** A text to be kept in the file. */
  readonly metadata?: string;
  /** Whether the function takes inputs of other sizes than those that it was traced with; `false` by default. */
  readonly shapeless?: boolean;
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
  options: ExportFunctionOptions = {},
): Promise<ExportedFunction> {
  const programs: ExportedProgram[] = [];
  try {
    for (const { graph, constants, externals, captures, keywords = [] } of traces) {
      const named = new Map([...(externals ?? []), ...(captures ?? [])]);
      const all = [...(constants?.values() ?? []), ...named.values()];
      await Promise.all(all.map((tensor) => tensor.evaluate()));
      const bound = { externals: named, ...(constants && { constants }) };
      programs.push({ program: engine.load(graph, bound), keywords });
    }
    return await exportPrograms(engine, path, programs, options);
  } finally {
    for (const { program } of programs) engine.unload(program);
  }
}

/**
 * As {@link exportFunction}, of programs that are loaded, with tensors that are ready.
 * @throws as {@link exportFunction}
 */
export async function exportPrograms(
  engine: Engine,
  path: string,
  programs: readonly ExportedProgram[],
  { metadata = "", shapeless = false }: ExportFunctionOptions = {},
): Promise<ExportedFunction> {
  checkSignatures(programs, shapeless);
  await checkWritable(path);
  const part = `${path}.${process.pid}.${files++}.part`;
  const traces = programs.map(({ program: { id }, keywords }) => ({ program: id, keywords }));
  try {
    await engine.native.exportPrograms(part, traces, { metadata, shapeless });
    await rename(part, path).catch((error) => {
      throw fromSystem(error, path);
    });
  } catch (error) {
    await rm(part, { force: true });
    throw failure(error, programs);
  }
  return { hooksLeftOut: programs.reduce((sum, { program }) => sum + hooksOf(program.graph), 0) };
}

/** Refuses keywords that are not names of parameters' own, and traces that a call could not choose between. */
function checkSignatures(programs: readonly ExportedProgram[], shapeless: boolean): void {
  if (programs.length === 0) throw argumentInvalid("there is no trace", "one or more");
  const known = new Set<string>();
  for (const { program, keywords } of programs) {
    const { inputs } = program;
    const names = new Set(keywords);
    if (names.size < keywords.length || keywords.length > inputs.length) {
      throw argumentInvalid(
        `the keywords are ${keywords.join(", ")} for ${inputs.length} parameters`,
        "a name of its own for each of the last parameters",
      );
    }
    const positions = inputs.length - keywords.length;
    const types = inputs.map((type) =>
      shapeless ? `${type.dtype} with ${type.shape.length} axes` : formatType(type),
    );
    const named = keywords.map((name, index) => `${name}=${types[positions + index]}`);
    const signature = [...types.slice(0, positions), ...named.sort()].join(", ");
    if (known.has(signature)) {
      const other = shapeless ? "dtypes or numbers of axes" : "types";
      throw argumentInvalid(
        `two traces take (${signature})`,
        `traces with inputs of different ${other}`,
      );
    }
    known.add(signature);
  }
}

function hooksOf(graph: Graph): number {
  const nodes = graph.functions.flatMap((item) => item.nodes);
  return nodes.filter((node) => LEFT_OUT.has(customCallKind(node))).length;
}

/** The error of the native engine, with the node at fault, and the trace where there are several. */
function failure(error: unknown, programs: readonly ExportedProgram[]): unknown {
  const { code, message, site, trace } = error as Partial<NativeExportError>;
  const program = programs[trace ?? -1]?.program;
  if (code === undefined || program === undefined) return toDavitError(error);
  const details = program.describe(site ?? -1);
  const { op, label, inputs } = details;
  const place = site === undefined ? "" : formatPlace({ op, label, inputs });
  const which = programs.length === 1 ? "" : `, in trace ${trace}`;
  return new DavitError(code, message + place + which, details);
}
