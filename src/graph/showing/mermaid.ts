import type { TypedFunction } from "../checking/infer.js";
import type { Graph } from "../graph.js";
import { type Box, drawGraph } from "./drawing.js";

const SHAPES: Readonly<Record<Box["kind"], readonly [open: string, close: string]>> = {
  parameter: ["([", "])"],
  node: ["[", "]"],
  constant: ["[/", "/]"],
  hook: ["{{", "}}"],
  result: ["([", "])"],
};

/** Writes a graph as a Mermaid flowchart. */
export function graphToMermaid(graph: Graph, types?: readonly TypedFunction[]): string {
  const { functions, calls } = drawGraph(graph, types);
  const lines = ["flowchart TD"];
  for (const item of functions) {
    lines.push(`  subgraph ${item.id}[${text([item.name])}]`);
    for (const box of item.boxes) {
      const [open, close] = SHAPES[box.kind];
      lines.push(`    ${box.id}${open}${text(box.lines)}${close}`);
    }
    for (const arrow of item.arrows) {
      const label = arrow.text === undefined ? "" : `|${text([arrow.text])}|`;
      lines.push(`    ${arrow.from} -->${label} ${arrow.to}`);
    }
    lines.push("  end");
  }
  for (const { from, to, text: name } of calls) {
    lines.push(`  ${from} -.->|${text([name ?? ""])}| ${to}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Text in quotes: Mermaid writes special characters as entity codes with `#`. */
function text(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line.replace(/[^\p{L}\p{N} %:.,=+_-]/gu, (character) => `#${character.codePointAt(0)};`),
  );
  return `"${escaped.join("<br/>")}"`;
}
