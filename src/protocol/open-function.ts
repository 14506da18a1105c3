import { resolve } from "node:path";
import { boundNamesOf } from "../graph/bound-values.js";
import { encodeGraph } from "../graph/encoding/canonical.js";
import { openFunction, type Signature } from "../mlxfn/opened.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";
import { wireType } from "./wire.js";

/** Answers `open_function`: the signatures of a function that MLX exported, and the graphs of its traces, or of one at other sizes. */
export function answerOpenFunction(
  sender: Sender,
  request: number,
  { path, sizes }: MessageOf<"open_function">,
): void {
  const { version, shapeless, metadata, signatures, graph } = openFunction(resolve(path));
  const graphs =
    sizes === undefined
      ? signatures.map((_, trace) => graph(trace))
      : [graph(sizes.trace, sizes.inputs)];
  const first = sizes?.trace ?? 0;
  const traces = graphs.map((one, index) => {
    const { inputs, keywords, results } = signatures[first + index] as Signature;
    return {
      inputs: (sizes?.inputs ?? inputs).map(wireType),
      keywords,
      results: results.map(wireType),
      constants: [...boundNamesOf(one, "external")],
    };
  });
  const answer = { version, shapeless, metadata, traces };
  sender.ok<"open_function">(
    request,
    answer,
    graphs.map((one) => encodeGraph(one)),
  );
}
