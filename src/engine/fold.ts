import { argumentInvalid } from "../error.js";
import { boundNamesOf } from "../graph/bound-values.js";
import { inferGraph, type TypedFunction } from "../graph/checking/infer.js";
import { validateGraph } from "../graph/checking/validate.js";
import { splitConstants } from "../graph/fold.js";
import type { Graph } from "../graph/graph.js";
import { native } from "../native.js";
import type { Tensor } from "../native-tensor.js";
import { show } from "../show.js";
import type { GraphTensors } from "./constants.js";
import type { Program } from "./program.js";
import type { ProgramRun } from "./tensor-run.js";

/**
 * Whether parts of a graph that depend on constants alone are computed once, when the program is loaded, and not by every run: never; where the
 * values that the rest needs of them have at most 1 MiB, or so many bytes, each; or always.
 */
export type Fold = "never" | "small" | "always" | { readonly maxBytes: number };

const SMALL = 2 ** 20;

/** The parts of an engine that folding uses. */
interface FoldEngine {
  load(graph: Graph, tensors: GraphTensors): Program;
  unload(program: Program): void;
  run(program: Program, inputs: readonly Tensor[]): ProgramRun;
}

/** @throws DavitError `argument_invalid` */
export function checkFold(fold: Fold): void {
  if (fold === "never" || fold === "small" || fold === "always") return;
  const bytes = (fold as { maxBytes?: unknown } | undefined)?.maxBytes;
  if (typeof bytes === "number" && bytes >= 0) return;
  const expected = '"never", "small", "always" or { maxBytes }, a number of bytes';
  throw argumentInvalid(`fold is ${show(fold)}`, expected);
}

/**
 * Loads a graph as `load` does, after what depends on constants alone was folded. What is folded is computed meanwhile: a run waits for it, and
 * fails where it failed.
 * @throws what `load` throws
 */
export function loadFolded(
  engine: FoldEngine,
  graph: Graph,
  tensors: GraphTensors,
  fold: Fold,
  load: (graph: Graph, tensors: GraphTensors) => Program,
): Program {
  if (fold === "never") return load(graph, tensors);
  const maxBytes =
    fold === "always" ? Number.POSITIVE_INFINITY : fold === "small" ? SMALL : fold.maxBytes;
  validateGraph(graph);
  const [typed] = inferGraph(graph, native()) as [TypedFunction];
  const split = splitConstants(graph, typed, maxBytes);
  if (split === undefined) return load(graph, tensors);
  const program = engine.load(split.constant, boundOf(split.constant, tensors));
  const { outputs, done } = engine.run(program, []);
  engine.unload(program);
  // Runs of the program have the error.
  done.catch(() => {});
  try {
    const { externals, ...others } = boundOf(split.rest, tensors);
    const computed = split.names.map((name, index) => [name, outputs[index] as Tensor] as const);
    return load(split.rest, { ...others, externals: new Map([...externals, ...computed]) });
  } finally {
    // The program has them.
    for (const tensor of outputs) tensor.dispose();
  }
}

/** The tensors that a graph needs of some. */
function boundOf(graph: Graph, { constants, externals }: GraphTensors) {
  const used = (kind: "constant" | "external", given: GraphTensors["externals"]) => {
    const names = boundNamesOf(graph, kind);
    return new Map([...(given ?? [])].filter(([name]) => names.has(name)));
  };
  return { constants: used("constant", constants), externals: used("external", externals) };
}
