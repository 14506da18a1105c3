import { resolve } from "node:path";
import { boundNamesOf } from "../graph/bound-values.js";
import { encodeGraph } from "../graph/encoding/canonical.js";
import type { Graph } from "../graph/graph.js";
import { openFunction } from "../mlxfn/opened.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";
import { wireType } from "./wire.js";

/** Answers `open_function`: the signatures of a function that MLX exported, and the graphs of its traces. */
export function answerOpenFunction(
  sender: Sender,
  request: number,
  { path }: MessageOf<"open_function">,
): void {
  const { version, shapeless, metadata, signatures, graph } = openFunction(resolve(path));
  const graphs = signatures.map((_, trace) => graph(trace));
  const traces = signatures.map(({ inputs, keywords, results }, trace) => ({
    inputs: inputs.map(wireType),
    keywords,
    results: results.map(wireType),
    constants: [...boundNamesOf(graphs[trace] as Graph, "external")],
  }));
  const answer = { version, shapeless, metadata, traces };
  sender.ok<"open_function">(
    request,
    answer,
    graphs.map((one) => encodeGraph(one)),
  );
}
