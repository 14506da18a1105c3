import type { TypedFunction } from "../checking/infer.js";
import type { Graph } from "../graph.js";
import { type Box, drawGraph } from "./drawing.js";

const SHAPES: Readonly<Record<Box["kind"], string>> = {
  parameter: "oval",
  node: "box",
  constant: "parallelogram",
  hook: "hexagon",
  result: "oval",
};

/** Writes a graph in Graphviz's DOT. */
export function graphToDot(graph: Graph, types?: readonly TypedFunction[]): string {
  const { functions, calls } = drawGraph(graph, types);
  const lines = ["digraph {", "  compound=true;"];
  for (const item of functions) {
    lines.push(`  subgraph cluster_${item.id} {`, `    label=${text([item.name])};`);
    for (const box of item.boxes) {
      lines.push(`    ${box.id} [shape=${SHAPES[box.kind]}, label=${text(box.lines)}];`);
    }
    for (const arrow of item.arrows) {
      const label = arrow.text === undefined ? "" : ` [label=${text([arrow.text])}]`;
      lines.push(`    ${arrow.from} -> ${arrow.to}${label};`);
    }
    lines.push("  }");
  }
  for (const { from, to, text: name } of calls) {
    // An arrow ends at a box; `lhead` lets it stop at the function's frame.
    const options = `style=dashed, lhead=cluster_${to}, label=${text([name ?? ""])}`;
    lines.push(`  ${from} -> ${to}_r [${options}];`);
  }
  return `${[...lines, "}"].join("\n")}\n`;
}

function text(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    line.replace(/["\\]/g, "\\$&").replace(/[\u0000-\u001f\u007f]/g, " "),
  );
  return `"${escaped.join("\\n")}"`;
}
