import { writeRegular } from "../files/open.js";
import { inferGraph, type TypedFunction } from "../graph/checking/infer.js";
import type { Graph } from "../graph/graph.js";
import { graphToDot } from "../graph/showing/dot.js";
import { graphToJson } from "../graph/showing/json.js";
import { graphToMermaid } from "../graph/showing/mermaid.js";
import { printGraph } from "../graph/showing/print.js";
import { type Native, native } from "../native.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { readGraph } from "./graph-file.js";

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

Checks a graph file and prints it with the types of all values. Runs nothing.

  --format text|mermaid|dot|json   how; text
  --out FILE                       write it to a file
  --help                           this text

Example: davit inspect model.davit --format dot | dot -Tsvg -o model.svg`,
  options: { format: { type: "string" }, out: { type: "string" } },
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
  const graph = await readGraph(args.positionals[0] as string);
  const text = print(graph, typesOf(graph));
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
