import type { Attribute, Graph, GraphFunction, GraphNode } from "../../src/graph/graph.js";
import { CUSTOM_CALLS } from "../../src/graph/ops/custom-call.js";
import { OPS } from "../../src/graph/ops/index.js";
import { STRUCTURAL } from "../../src/graph/ops/structural.js";
import { Types } from "../graphs/types.js";
import type { Random } from "../random.js";

const OP_NAMES = [...Object.keys(OPS), ...Object.keys(STRUCTURAL), ...Object.keys(CUSTOM_CALLS)];
const NUMBERS = [0, 1, -1, 2, 3, 7, 100, 65536, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 53 - 1];

/** The graph with one to three changes that keep its form: operands, ops, attributes, types, results. */
export function mutateGraph(random: Random, graph: Graph): Graph {
  let functions = graph.functions;
  for (let count = random.pick([1, 1, 2, 3]); count > 0; count--) {
    const at = random.below(functions.length);
    functions = functions.with(at, changedFunction(random, functions[at] as GraphFunction));
    if (random.chance(0.05)) functions = random.shuffled(functions);
    if (random.chance(0.05)) functions = [...functions, random.pick(functions)];
  }
  return { functions };
}

function changedFunction(random: Random, item: GraphFunction): GraphFunction {
  const { parameters, nodes, results } = item;
  const values = nodes.reduce((sum, { outputs }) => sum + outputs, parameters.length);
  const value = () => random.between(-1, values);
  switch (random.below(6)) {
    case 0:
      return { ...item, results: changedList(random, results, value) };
    case 1: {
      const types = new Types(random);
      return { ...item, parameters: changedList(random, parameters, () => types.anyType()) };
    }
    case 2:
      if (nodes.length === 0) return item;
      return { ...item, nodes: changedList(random, nodes, () => random.pick(nodes)) };
    default: {
      if (nodes.length === 0) return item;
      const at = random.below(nodes.length);
      return { ...item, nodes: nodes.with(at, changedNode(random, nodes[at] as GraphNode, value)) };
    }
  }
}

function changedNode(random: Random, node: GraphNode, value: () => number): GraphNode {
  switch (random.below(5)) {
    case 0:
      return { ...node, op: random.pick(OP_NAMES) };
    case 1:
      return { ...node, inputs: changedList(random, node.inputs, value) };
    case 2:
      return { ...node, outputs: random.pick([0, 1, 2, 3, node.outputs + 1]) };
    default: {
      const names = Object.keys(node.attributes);
      if (names.length === 0) return { ...node, inputs: changedList(random, node.inputs, value) };
      const name = random.pick(names);
      const attribute = changedAttribute(random, node.attributes[name] as Attribute);
      return { ...node, attributes: { ...node.attributes, [name]: attribute } };
    }
  }
}

function changedAttribute(random: Random, value: Attribute): Attribute {
  if (typeof value === "boolean") return !value;
  if (typeof value === "number" || typeof value === "bigint") return random.pick(NUMBERS);
  if (value instanceof Uint8Array) return value.subarray(random.below(value.length + 1));
  if (typeof value === "string" || value.some((item) => typeof item !== "number")) return value;
  return changedList(random, value as readonly number[], () => random.pick(NUMBERS));
}

/** The list with an item less, more, or another. */
function changedList<T>(random: Random, list: readonly T[], item: () => T): T[] {
  const at = random.below(list.length + 1);
  switch (random.below(3)) {
    case 0:
      return list.toSpliced(at, 1);
    case 1:
      return list.toSpliced(at, 0, item());
    default:
      return list.toSpliced(at, 1, item());
  }
}
