import { isLeaf } from "../bound-values.js";
import type { TypedFunction } from "../checking/infer.js";
import type { Graph } from "../graph.js";
import { customCallKind } from "../ops/custom-call.js";
import {
  type DescribedFunction,
  type DescribedNode,
  describeGraph,
  parameterText,
} from "./describe.js";

/** A graph as boxes and arrows, for the languages that draw it. */
export interface Drawing {
  readonly functions: readonly {
    readonly id: string;
    readonly name: string;
    readonly boxes: readonly Box[];
    readonly arrows: readonly Arrow[];
  }[];
  /** From a node to a function that it calls. */
  readonly calls: readonly Arrow[];
}

/** A parameter, a node or the results. */
export interface Box {
  readonly id: string;
  readonly kind: "parameter" | "node" | "constant" | "hook" | "result";
  readonly lines: readonly string[];
}

/** An arrow between boxes, with text. */
export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly text: string | undefined;
}

/** Lays out what is drawn of a graph. Ids are made of letters, digits and `_`. */
export function drawGraph(graph: Graph, types?: readonly TypedFunction[]): Drawing {
  const described = describeGraph(graph, types);
  return {
    functions: described.map((item, index) => drawFunction(item, `f${index}`)),
    calls: described.flatMap((item, index) =>
      item.nodes.flatMap((node) =>
        node.calls.map(([text, callee]) => ({
          from: `f${index}_n${node.index}`,
          to: `f${callee}`,
          text,
        })),
      ),
    ),
  };
}

function drawFunction(item: DescribedFunction, id: string): Drawing["functions"][number] {
  const makers = new Map<number, { readonly box: string; readonly type: string | undefined }>();
  const boxes: Box[] = [];
  const arrows: Arrow[] = [];
  const connect = (values: readonly number[], to: string) => {
    for (const value of values) {
      const maker = makers.get(value);
      if (maker !== undefined) arrows.push({ from: maker.box, to, text: maker.type });
    }
  };
  for (const parameter of item.parameters) {
    const { value, type } = parameter;
    const box = `${id}_p${value}`;
    boxes.push({ id: box, kind: "parameter", lines: [parameterText(parameter)] });
    makers.set(value, { box, type });
  }
  for (const node of item.nodes) {
    const box = `${id}_n${node.index}`;
    boxes.push({ id: box, kind: kindOf(node), lines: linesOf(node) });
    connect(node.inputs, box);
    for (const { value, type } of node.outputs) makers.set(value, { box, type });
  }
  const result = `${id}_r`;
  boxes.push({ id: result, kind: "result", lines: ["return"] });
  connect(
    item.results.map(({ value }) => value),
    result,
  );
  return { id, name: item.name, boxes, arrows };
}

function kindOf(node: DescribedNode): Box["kind"] {
  if (isLeaf(node)) return "constant";
  return customCallKind(node) !== undefined ? "hook" : "node";
}

function linesOf(node: DescribedNode): string[] {
  const attributes = isLeaf(node)
    ? node.attributes.map(([, text]) => text)
    : node.attributes.map(([name, text]) => `${name} = ${text}`);
  return [node.op, ...attributes, ...(node.label === undefined ? [] : [node.label])];
}
