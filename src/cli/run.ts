import { FileError } from "../files/error.js";
import { checkTarget, type FileArray, writeTensors } from "../files/index.js";
import type { Graph } from "../graph/graph.js";
import { siteTest } from "../hooks/match.js";
import type { Site } from "../hooks/site.js";
import type { Tensor } from "../native-tensor.js";
import { listNames } from "../show.js";
import { formatType } from "../tensor/dtype.js";
import { findBindings } from "./bindings.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { ENGINE_HELP, ENGINE_OPTIONS, engineOptions } from "./engine-options.js";
import { printEvent } from "./hook-lines.js";
import { checkRecording, HOOK_OPTIONS, hookSpecs, recordOptions } from "./hook-options.js";
import { resolveInputs, sourceType, type Tensors } from "./inputs.js";
import { interruptible } from "./interrupt.js";
import { openPrograms, pickProgram } from "./program-file.js";
import { tensorOf, tensorsOf } from "./tensors.js";

/** `davit run`: one run of a graph file, on files, with its hooks on the terminal. */
export const run: Command = {
  summary: "run a graph on tensors from files and watch its hooks",
  help: `Usage: davit run GRAPH [OPTIONS]

Runs a graph file once, or a function that MLX exported (.mlxfn), in the trace that the inputs are for. Inputs, constants
and results are .npy, .npz or .safetensors files; inputs also .gguf.

  --input NAME=FILE[:TENSOR]  the value of a parameter, by its name or its number; davit inspect shows them. TENSOR
                              names one in a file that may hold several. Repeat it for every parameter
  --input FILE[:TENSOR]       the values of all parameters that tensors in such a file are named like;
                              else the value of the next parameter. A path with = that begins like a parameter is
                              given as ./PATH
  --constants FILE            a .safetensors file with constants that the graph names by the hash of their bytes
  --externals FILE            a .safetensors file with tensors that are named like externals of the graph
  --hook GLOB                 print a summary of every hook whose label matches, as it fires
  --probe GLOB                the same for every node whose label matches
  --values                    print the values instead of summaries
  --record FILE               write what --hook and --probe match, every hook without them, and the replies of calls
                              to a recording instead of printing it; see davit diff
  --replay FILE               answer the graph's calls with the replies of a recording
  --out FILE                  write the results, named 0, 1, ...; without it they are printed
${ENGINE_HELP}
  --help                      this text

Ctrl+C cancels the run. Exit codes: 0 done, 1 failed, 2 called wrongly.

Example: davit run model.davit --input x=x.npy --hook 'encoder.*' --out y.npz`,
  options: {
    input: { type: "string", multiple: true },
    constants: { type: "string", multiple: true },
    externals: { type: "string", multiple: true },
    ...HOOK_OPTIONS,
    replay: { type: "string" },
    out: { type: "string" },
    ...ENGINE_OPTIONS,
  },
  positionals: ["GRAPH"],
  run: runGraph,
};

async function runGraph(args: Arguments): Promise<ExitCode> {
  const options = engineOptions(args);
  const [path] = args.positionals as [string];
  const recorded = single(args, "record");
  const replayed = single(args, "replay");
  checkRecording(args);
  const files = (name: string) => args.values.get(name) ?? [];
  const opened = await openPrograms(path);
  const inputFiles = new Map<string, Tensors>();
  const { program: picked, found: sources } = await pickProgram(opened, (parameters) =>
    resolveInputs(files("input"), parameters, inputFiles),
  );
  const graph = picked.graph(sources.map(sourceType));
  await checkOut(single(args, "out"), graph);
  const bound = await findBindings(graph, files("constants"), files("externals"), opened.externals);
  const [{ Engine: Engines }, { bindSlots }, { record, replay }] = await Promise.all([
    import("../engine/engine.js"),
    import("../engine/slots.js"),
    import("../record/index.js"),
  ]);
  const engine = Engines.create(options);
  await interruptible(async (signal) => {
    const progress = showProgress();
    const opened: { close(): unknown }[] = [];
    try {
      // The program keeps what it needs of them; until it is loaded, they must not be garbage.
      const constants = tensorsOf(engine, bound.constants);
      const externals = tensorsOf(engine, bound.externals);
      const program = engine.load(graph, { constants, externals });
      for (const tensors of [constants, externals])
        for (const [, tensor] of tensors) tensor.dispose();
      checkGlobs(args, program.sites);
      if (recorded !== undefined) opened.push(record(engine, recordOptions(args, recorded)));
      if (replayed !== undefined) opened.push(await replay(engine, replayed));
      // Prints go to the console, as in engine.jit.
      const prints = bindSlots(engine, program, []);
      const watched = recorded === undefined ? hookSpecs(args) : [];
      const specs = watched.map((spec) => ({ ...spec, handler: printEvent }));
      const hooks = engine.hooks.onRun(program, specs);
      const inputs = sources.map((source) => tensorOf(engine, source));
      const { id, outputs, done } = engine.run(program, inputs, {
        signal,
        subscriptions: [...prints.subscriptions, ...hooks.subscriptions],
      });
      prints.started(id);
      await done;
      console.error(`${path}: ${outputs.length} results in ${progress.elapsed()}`);
      await deliver(outputs, single(args, "out"));
    } finally {
      progress.stop();
      await engine.close();
      for (const file of opened) await file.close();
    }
  });
  return 0;
}

/** Refuses an --out that the results could not be written to, before they are computed. */
async function checkOut(path: string | undefined, graph: Graph): Promise<void> {
  if (path === undefined) return;
  try {
    await checkTarget(path, graph.functions[0]?.results.length ?? 0);
  } catch (error) {
    if (error instanceof FileError) throw new UsageError(`--out ${error.message}`);
    throw error;
  }
}

/** Refuses a --hook or --probe that nothing in the graph is for. */
function checkGlobs(args: Arguments, sites: readonly Site[]): void {
  for (const kind of ["hook", "probe"] as const) {
    for (const glob of args.values.get(kind) ?? []) {
      const match = kind === "hook" ? { label: glob } : { probe: glob };
      if (sites.some(siteTest(match))) continue;
      const titles = sites.filter(siteTest(kind === "hook" ? "all" : { probe: "*" }));
      const known = new Set(titles.flatMap(({ label, name }) => label ?? name ?? []));
      const what = kind === "hook" ? "hooks" : "labels";
      const has = known.size === 0 ? `no ${what}` : `the ${what} ${listNames([...known])}`;
      throw new UsageError(`--${kind} "${glob}" matches nothing: the graph has ${has}`);
    }
  }
}

/** Shows on a terminal that a long run is still under way. */
function showProgress() {
  const started = performance.now();
  const elapsed = () => `${((performance.now() - started) / 1000).toFixed(2)} s`;
  const timer = process.stderr.isTTY
    ? setInterval(() => process.stderr.write(`\r${elapsed()} ...\r`), 1000)
    : undefined;
  return { elapsed, stop: () => clearInterval(timer) };
}

async function deliver(outputs: readonly Tensor[], path: string | undefined): Promise<void> {
  if (path === undefined) {
    for (const [index, output] of outputs.entries()) {
      console.log(`${index}: ${formatType(output.type)}\n${await output.format()}`);
    }
    return;
  }
  const arrays = new Map<string, FileArray>();
  for (const [index, output] of outputs.entries()) {
    arrays.set(String(index), { type: output.type, bytes: await output.bytes() });
  }
  await writeTensors(path, arrays);
}
