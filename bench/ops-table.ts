import { besidePeers, PEERS } from "./peers.js";
import { round } from "./stats.js";
import type { Tools } from "./tools.js";

/** Ops on about a million elements, as workers/node/ops.ts has them. */
const OPS = [
  ...["exp", "erf", "tanh", "sigmoid", "log", "sin", "sqrt", "floor", "power"],
  ...["add.f16", "cast.f16", "softmax", "logsumexp", "layer_norm"],
  ...["sum.0", "sum.1", "sum.all", "max.1", "argmax.1"],
  ...["transpose", "concatenate", "sort", "argsort"],
  ...["attention", "matmul.f16", "matmul.bf16", "matmul.rows"],
];

/** The lines of a table: each op in milliseconds, beside its peers, the worst first. */
export async function opsTable(tools: Tools): Promise<string[]> {
  const rows: { readonly ratio: number; readonly cells: readonly string[] }[] = [];
  for (const op of OPS) {
    const { time, peers, ratio, best } = await besidePeers(tools, `op.${op}`, { rounds: 4 });
    const milliseconds = (value: number | undefined) =>
      value === undefined ? "-" : `${round(value / 1000, 3)}`;
    rows.push({
      ratio: ratio ?? 0,
      cells: [
        op,
        milliseconds(time),
        ...PEERS.map((peer) => milliseconds(peers[peer])),
        ratio === undefined ? "-" : ratio.toPrecision(3),
        best ?? "",
      ],
    });
  }
  rows.sort((a, b) => b.ratio - a.ratio);
  const heading = ["op", "davit, ms", ...PEERS, "ratio", "best"];
  return [heading, ...rows.map(({ cells }) => cells)].map((cells) =>
    cells
      .map((cell) => cell.padEnd(12))
      .join("")
      .trimEnd(),
  );
}
