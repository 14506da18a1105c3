import type { Engine } from "../engine/engine.js";
import type { Graph } from "../graph/graph.js";
import type { ExportedTrace } from "../mlxfn/export.js";
import { listNames } from "../show.js";
import { findBindings } from "./bindings.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { readGraph } from "./graph-file.js";
import { parametersOf } from "./parameters.js";
import { tensorsOf } from "./tensors.js";

/** `davit export`: graph files as a function that MLX runs. */
export const exportCommand: Command = {
  summary: "write graphs as a function that MLX runs in Python, C++ or Swift",
  help: `Usage: davit export GRAPH... --out FILE.mlxfn [OPTIONS]

Writes graphs to a .mlxfn file, each as a trace of one function: mlx.core.import_function runs it in Python, in the trace
that its arguments are for. Control flow and callbacks cannot be written; hooks and prints are left out.

  --out FILE.mlxfn   the file
  --keyword NAME     a parameter that is given by keyword: one of the last of each graph. Repeat it for several
  --shapeless        inputs may have other sizes than those of the graphs
  --metadata TEXT    a text to be kept in the file
  --constants FILE   a .safetensors file with constants that a graph names by the hash of their bytes
  --externals FILE   a .safetensors file with tensors that are named like externals of a graph
  --help             this text

Example: davit export model.davit --externals weights.safetensors --keyword temperature --out model.mlxfn`,
  options: {
    out: { type: "string" },
    keyword: { type: "string", multiple: true },
    shapeless: { type: "boolean" },
    metadata: { type: "string" },
    constants: { type: "string", multiple: true },
    externals: { type: "string", multiple: true },
  },
  positionals: ["GRAPH", "GRAPH..."],
  run: exportGraphs,
};

async function exportGraphs(args: Arguments): Promise<ExitCode> {
  const out = single(args, "out");
  if (out === undefined) throw new UsageError("--out FILE.mlxfn is missing");
  const values = (name: string) => args.values.get(name) ?? [];
  const graphs = await Promise.all(args.positionals.map(readGraph));
  const traces = await Promise.all(
    graphs.map(async (graph, index) => ({
      graph,
      keywords: keywordsOf(graph, args.positionals[index] as string, values("keyword")),
      bound: await findBindings(graph, values("constants"), values("externals")),
    })),
  );
  const [{ Engine: Engines }, { exportFunction }] = await Promise.all([
    import("../engine/engine.js"),
    import("../mlxfn/export.js"),
  ]);
  const engine: Engine = Engines.create({ lanes: 1 });
  try {
    const exported = traces.map(({ graph, keywords, bound }): ExportedTrace => {
      const constants = tensorsOf(engine, bound.constants);
      return { graph, keywords, constants, externals: tensorsOf(engine, bound.externals) };
    });
    const metadata = single(args, "metadata");
    const options = metadata === undefined ? {} : { metadata };
    const { hooksLeftOut } = await exportFunction(engine, out, exported, options);
    const hooks = hooksLeftOut === 0 ? "" : `, without ${hooksLeftOut} hooks and prints`;
    console.error(`${out}: ${traces.length} traces${hooks}`);
  } finally {
    await engine.close();
  }
  return 0;
}

/** The names of the last parameters of a graph, which are those given; in the order of the parameters. */
function keywordsOf(graph: Graph, path: string, given: readonly string[]): string[] {
  if (given.length === 0) return [];
  const names = parametersOf(graph).map(({ name }) => name);
  const last = names.slice(-given.length);
  if (last.every((name) => name !== undefined && given.includes(name))) return last as string[];
  const known = listNames(names.map((name) => name ?? "without a name"));
  throw new UsageError(
    `--keyword ${given.join(", ")}: these are not the last parameters of ${path}, which are ${known}`,
  );
}
