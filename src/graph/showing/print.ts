import { isLeaf } from "../bound-values.js";
import type { TypedFunction } from "../checking/infer.js";
import type { Graph } from "../graph.js";
import {
  type DescribedNode,
  type DescribedValue,
  describeGraph,
  parameterText,
  quote,
} from "./describe.js";

/**
 * Writes a graph for people, one node on a line:
 *
 * ```text
 * func main(%0 x: float32[2, 3]) {
 *   %1 = softmax %0 {axes = [-1]} : float32[2, 3]  "attention"
 *   return %1
 * }
 * ```
 *
 * Parameters have their names in the graph, if any. The types of nodes are shown where `types` is given, as
 * `inferGraph` returns them.
 */
export function printGraph(graph: Graph, types?: readonly TypedFunction[]): string {
  const functions = describeGraph(graph, types);
  const names = functions.map((item) => item.name);
  const texts = functions.map((item) => {
    const parameters = item.parameters.map(parameterText);
    const lines = item.nodes.map((node) => `  ${nodeLine(node, names)}`);
    const results = item.results.map(({ value }) => ` %${value}`).join(",");
    return [`func ${item.name}(${parameters.join(", ")}) {`, ...lines, `  return${results}`, "}"];
  });
  return texts.map((lines) => `${lines.join("\n")}\n`).join("\n");
}

function nodeLine(node: DescribedNode, names: readonly string[]): string {
  const outputs = node.outputs.map(({ value }) => `%${value}`).join(", ");
  const inputs = node.inputs.map((value) => (value < 0 ? "_" : `%${value}`)).join(", ");
  const attributes = [
    ...node.attributes.map(([name, text]) => `${name} = ${text}`),
    ...node.calls.map(([name, callee]) => `${name} = @${names[callee]}`),
  ].join(", ");
  const call = [
    node.op,
    inputs,
    isLeaf(node) ? node.attributes[0]?.[1] : attributes && `{${attributes}}`,
  ];
  const text = call.filter((part) => part !== "" && part !== undefined).join(" ");
  const label = node.label === undefined ? "" : `  ${quote(node.label)}`;
  const types = isLeaf(node) ? "" : typesText(node.outputs);
  return `${outputs}${outputs === "" ? "" : " = "}${text}${types}${label}`;
}

function typesText(values: readonly DescribedValue[]): string {
  const types = values.map(({ type }) => type);
  return types.length === 0 || types.includes(undefined) ? "" : ` : ${types.join(", ")}`;
}
