import { writeRegular } from "../files/open.js";
import { inferGraph, type TypedFunction } from "../graph/checking/infer.js";
import type { Graph } from "../graph/graph.js";
import { graphToDot } from "../graph/showing/dot.js";
import { graphToJson } from "../graph/showing/json.js";
import { graphToMermaid } from "../graph/showing/mermaid.js";
import { printGraph } from "../graph/showing/print.js";
import { type Native, native } from "../native.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { type FileProgram, openPrograms } from "./program-file.js";

const FORMATS: Readonly<
  Record<string, (graph: Graph, types?: readonly TypedFunction[]) => string>
> = {
  text: printGraph,
  mermaid: graphToMermaid,
  dot: graphToDot,
  json: (graph, types) => `${JSON.stringify(graphToJson(graph, types), null, 2)}\n`,
};

/** `davit inspect`: a graph file for people and for drawing tools. */
export const inspect: Command = {
  summary: "print or draw a graph",
  help: `Usage: davit inspect GRAPH [OPTIONS]

Checks a graph file and prints it with the types of all values. Runs nothing. Of a function that MLX exported (.mlxfn)
the signatures, the constants and the graph of each trace are printed.

  --format text|mermaid|dot|json   how; text
  --trace N                        only this trace of a .mlxfn file, from 0
  --out FILE                       write it to a file
  --help                           this text

Example: davit inspect model.davit --format dot | dot -Tsvg -o model.svg`,
  options: { format: { type: "string" }, trace: { type: "string" }, out: { type: "string" } },
  positionals: ["GRAPH"],
  run: inspectGraph,
};

async function inspectGraph(args: Arguments): Promise<ExitCode> {
  const format = single(args, "format") ?? "text";
  const print = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (print === undefined) {
    const known = Object.keys(FORMATS).join(", ");
    throw new UsageError(`--format is "${format}"; expected one of ${known}`);
  }
  const path = args.positionals[0] as string;
  const { programs, description } = await openPrograms(path);
  const trace = traceNumber(single(args, "trace"), path, programs);
  const graphs = (trace === undefined ? programs : [programs[trace] as FileProgram]).map(
    (program) => program.graph(),
  );
  const texts = graphs.map((graph) => print(graph, typesOf(graph)));
  const header = format === "text" && description !== undefined ? [description] : [];
  const text = [...header, ...texts].join("\n");
  const out = single(args, "out");
  if (out === undefined) {
    process.stdout.write(text);
    return 0;
  }
  await writeRegular(out, text);
  return 0;
}

/** The types of all values; MLX has to be asked for them, so without the addon there are none. */
function typesOf(graph: Graph): TypedFunction[] | undefined {
  let addon: Native;
  try {
    addon = native();
  } catch (error) {
    console.error(`davit: without types: ${(error as Error).message}`);
    return undefined;
  }
  return inferGraph(graph, { inferTypes: addon.inferTypes });
}

/** The trace that `--trace` names; undefined for all. */
function traceNumber(
  text: string | undefined,
  path: string,
  programs: readonly FileProgram[],
): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number < programs.length) return number;
  throw new UsageError(
    `--trace is "${text}"; expected a number from 0 to ${programs.length - 1}, as ${path} has ${programs.length} traces`,
  );
}
