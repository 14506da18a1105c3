import { resolve } from "node:path";
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
    constants: externalsOf(graphs[trace] as Graph),
  }));
  const answer = { version, shapeless, metadata, traces };
  sender.ok<"open_function">(
    request,
    answer,
    graphs.map((one) => encodeGraph(one)),
  );
}

function externalsOf({ functions }: Graph): string[] {
  const names = functions.flatMap(({ nodes }) =>
    nodes.flatMap(({ op, attributes }) => (op === "external" ? [attributes.name as string] : [])),
  );
  return [...new Set(names)];
}
