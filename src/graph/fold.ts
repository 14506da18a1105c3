import { byteLength, type TensorType } from "../tensor/dtype.js";
import { boundNamesOf, isLeaf } from "./bound-values.js";
import { functionsOf } from "./callees.js";
import type { TypedFunction } from "./checking/infer.js";
import type { Graph, GraphFunction, GraphNode } from "./graph.js";
import { customCallKind } from "./ops/custom-call.js";

/** A graph in two parts. */
export interface SplitGraph {
  /** What depends on constants and externals alone. It has no parameters; its results are what the rest needs of it. */
  readonly constant: Graph;
  /** The graph with an external in the place of each of these results. An external has the label of its node, so that probes find it. */
  readonly rest: Graph;
  /** The names of these externals, in the order of the results. */
  readonly names: readonly string[];
}

/**
 * Splits off what a valid graph's entry computes of constants and externals alone, up to values of so many bytes; undefined where there is nothing.
 * Control flow, hooks, prints and callbacks stay in the rest, with what needs them. `typed` are the types of the entry's values.
 */
export function splitConstants(
  graph: Graph,
  typed: TypedFunction,
  maxBytes: number,
): SplitGraph | undefined {
  const [entry, ...others] = graph.functions as [GraphFunction, ...GraphFunction[]];
  const nodes = placed(entry);
  const small = (value: number) => byteLength(typed.values[value] as TensorType) <= maxBytes;

  const inRest = new Set<number>(entry.results);
  const frontier = new Set<number>();
  for (const { node, outputs, isConstant } of nodes.toReversed()) {
    const needed = outputs.filter((value) => inRest.has(value));
    if (isConstant && needed.length === 0) continue;
    if (isConstant && !isLeaf(node) && needed.every(small)) {
      for (const value of needed) frontier.add(value);
    } else {
      for (const value of node.inputs) inRest.add(value);
    }
  }
  if (frontier.size === 0) return undefined;

  const inConstant = new Set(frontier);
  for (const { node, outputs, isConstant } of nodes.toReversed()) {
    if (!isConstant || !outputs.some((value) => inConstant.has(value))) continue;
    for (const value of node.inputs) inConstant.add(value);
  }

  const names = new Map(
    [...frontier].toReversed().map((value, index) => [value, `${prefixFor(graph)}${index}`]),
  );
  const constant = new Assembly(entry.name, []);
  const rest = new Assembly(entry.name, entry.parameters);
  for (const { node, outputs, isConstant } of nodes) {
    if (isConstant && outputs.some((value) => inConstant.has(value))) constant.add(node, outputs);
    if (outputs.some((value) => frontier.has(value))) {
      for (const value of outputs.filter((output) => frontier.has(output))) {
        const { dtype, shape } = typed.values[value] as TensorType;
        const attributes = { dtype, shape, name: names.get(value) as string };
        rest.add({ ...node, op: "external", inputs: [], attributes, outputs: 1 }, [value]);
      }
    } else if (!isConstant || outputs.some((value) => inRest.has(value))) {
      rest.add(node, outputs);
    }
  }
  return {
    constant: { functions: [constant.function([...names.keys()])] },
    rest: { functions: [{ ...entry, ...rest.function(entry.results) }, ...others] },
    names: [...names.values()],
  };
}

interface PlacedNode {
  readonly node: GraphNode;
  /** The numbers of its values. */
  readonly outputs: readonly number[];
  /** Whether it depends on constants and externals alone, and may be computed once. */
  readonly isConstant: boolean;
}

function placed({ parameters, nodes }: GraphFunction): PlacedNode[] {
  const constants = new Set<number>();
  let next = parameters.length;
  return nodes.map((node) => {
    const outputs = Array.from({ length: node.outputs }, (_, index) => next + index);
    next += node.outputs;
    const pure = customCallKind(node) === undefined && functionsOf(node).length === 0;
    const isConstant = pure && node.inputs.every((value) => value < 0 || constants.has(value));
    if (isConstant) for (const value of outputs) constants.add(value);
    return { node, outputs, isConstant };
  });
}

/** What no external of the graph begins with. */
function prefixFor(graph: Graph): string {
  const known = [...boundNamesOf(graph, "external")];
  let prefix = "folded.";
  while (known.some((name) => name.startsWith(prefix))) prefix = `_${prefix}`;
  return prefix;
}

/** A function that is made of some nodes of another one. */
class Assembly {
  readonly #nodes: GraphNode[] = [];
  /** The values of this function for those of the other one. */
  readonly #values = new Map<number, number>();
  #next: number;

  constructor(
    private readonly name: string,
    private readonly parameters: readonly TensorType[],
  ) {
    this.#next = parameters.length;
    for (const index of parameters.keys()) this.#values.set(index, index);
  }

  add(node: GraphNode, outputs: readonly number[]): void {
    this.#nodes.push({ ...node, inputs: node.inputs.map((value) => this.#value(value)) });
    for (const value of outputs) this.#values.set(value, this.#next++);
  }

  function(results: readonly number[]): GraphFunction {
    return {
      name: this.name,
      parameters: this.parameters,
      nodes: this.#nodes,
      results: results.map((value) => this.#value(value)),
    };
  }

  #value(value: number): number {
    return value < 0 ? value : (this.#values.get(value) as number);
  }
}
