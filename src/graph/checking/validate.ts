import { endsStep, finish, type Steps } from "../../steps.js";
import { formatType } from "../../tensor/dtype.js";
import { checkAttributes, isSize, isTensorType, isText } from "../attributes.js";
import { isLeaf } from "../bound-values.js";
import { functionsOf } from "../callees.js";
import { GraphError, type GraphErrorDetails } from "../error.js";
import type { Attributes, Graph, GraphFunction, GraphNode } from "../graph.js";
import { DEFAULT_LIMITS, type GraphLimits } from "../limits.js";
import { customCallKind } from "../ops/custom-call.js";
import { isCallOutputCount } from "../ops/outputs.js";
import type { OpSpec } from "../ops/spec.js";
import { findOp, operandCounts } from "../table.js";
import { checkLeaf, type LeafBudget } from "./check-leaf.js";
import { wrtOf } from "./control-flow.js";
import { checkParameterNames } from "./parameter-names.js";
import { checkTotals } from "./size.js";

/**
 * Checks that a graph from outside is well-formed: ops, operand counts, attributes, references, sizes.
 * The types of values are the business of `inferGraph`, which expects a graph that passed here.
 * @throws GraphError with a stable code that names function, node, op and label.
 */
export function validateGraph(graph: Graph, limits: GraphLimits = DEFAULT_LIMITS): void {
  finish(validateSteps(graph, limits));
}

/** As {@link validateGraph}, a step for some nodes. */
export function* validateSteps(
  graph: Graph,
  limits: GraphLimits = DEFAULT_LIMITS,
): Steps<undefined> {
  const { functions } = graph;
  if (functions.length === 0) throw new GraphError("graph_invalid", "the graph has no functions");
  checkLimit(functions.length, limits.functions, "the graph", "functions", {});
  const nodes = functions.reduce((sum, item) => sum + item.nodes.length, 0);
  checkLimit(nodes, limits.nodes, "the graph", "nodes", {});
  const budget = { constantBytes: limits.constantBytes };
  const passed = new Passed();
  for (const index of functions.keys()) {
    yield* validateFunction(graph, index, limits, budget, passed);
  }
  checkTotals(graph, limits);
  checkLimit(expandedNodes(graph), limits.expandedNodes, "the graph", "nodes once inlined", {});
}

/** What has passed already: nodes have the same labels, and those of a decoded graph share their attributes. */
class Passed {
  /** With the row that they were held against. */
  readonly attributes = new Map<Attributes, OpSpec>();
  readonly texts = new Set<unknown>();
}

/** About the number of nodes that a derivative makes of each node of its function. */
const DERIVATIVE_NODES = 5;

/**
 * The nodes of the program when every use of a function counts anew: a few functions can make very many, and derivatives
 * of derivatives more still.
 */
function expandedNodes(graph: Graph): number {
  const sizes: number[] = [];
  for (let index = graph.functions.length - 1; index >= 0; index--) {
    const { nodes } = graph.functions[index] as GraphFunction;
    let size = 0;
    for (const node of nodes) {
      const copies = node.op === "vjp" || node.op === "jvp" ? DERIVATIVE_NODES : 1;
      size += 1;
      for (const callee of functionsOf(node)) size += copies * (sizes[callee] as number);
    }
    sizes[index] = size;
  }
  return sizes[0] as number;
}

function* validateFunction(
  graph: Graph,
  index: number,
  limits: GraphLimits,
  budget: LeafBudget,
  passed: Passed,
): Steps<undefined> {
  const item = graph.functions[index] as GraphFunction;
  const where = { function: item.name };
  checkText(item.name, "a function's name", limits, {});
  checkLimit(item.parameters.length, limits.list, "the function", "parameters", where);
  checkLimit(item.results.length, limits.list, "the function", "results", where);
  item.parameters.forEach((type, parameter) => {
    if (!isTensorType(type)) {
      throw new GraphError("type_invalid", `parameter ${parameter} is not a tensor type`, where);
    }
    if (type.shape.length > limits.rank) {
      throw new GraphError("limit_exceeded", `parameter ${parameter} is ${formatType(type)}`, {
        ...where,
        expected: `at most ${limits.rank} dimensions`,
      });
    }
  });
  checkParameterNames(item, limits, where);
  let values = item.parameters.length;
  for (const [position, node] of item.nodes.entries()) {
    const details = { function: item.name, op: node.op, label: node.label, node: position };
    validateNode(graph, index, node, values, limits, passed, details);
    if (isLeaf(node)) checkLeaf(node, limits, budget, details);
    if (customCallKind(node) !== undefined) checkCustomCall(node, details);
    values += node.outputs;
    if (endsStep(position)) yield;
  }
  for (const result of item.results) checkReference(result, values, "result", where, false);
}

function validateNode(
  graph: Graph,
  functionIndex: number,
  node: GraphNode,
  values: number,
  limits: GraphLimits,
  passed: Passed,
  details: GraphErrorDetails,
): void {
  if (!passed.texts.has(node.op)) {
    checkText(node.op, "an op", limits, { ...details, op: undefined, label: undefined });
    passed.texts.add(node.op);
  }
  if (node.label !== undefined && !passed.texts.has(node.label)) {
    checkText(node.label, "a label", limits, { ...details, label: undefined });
    passed.texts.add(node.label);
  }
  const spec = findOp(node.op, details);
  checkLimit(node.inputs.length, limits.list, "the node", "operands", details);
  if (!isSize(node.outputs)) {
    throw new GraphError("output_count_invalid", `the node has ${node.outputs} outputs`, details);
  }
  checkLimit(node.outputs, limits.list, "the node", "outputs", details);
  checkOperands(spec, node, values, details);
  if (passed.attributes.get(node.attributes) !== spec) {
    checkAttributeValues(spec, node.attributes, limits, details);
    passed.attributes.set(node.attributes, spec);
  }
  checkFunctions(graph, functionIndex, node, details);
  checkOutputs(graph, spec, node, details);
}

function checkAttributeValues(
  spec: OpSpec,
  attributes: Attributes,
  limits: GraphLimits,
  details: GraphErrorDetails,
): void {
  checkAttributes(spec, attributes, details);
  for (const value of Object.values(attributes)) {
    if (Array.isArray(value)) {
      checkLimit(value.length, limits.list, "an attribute", "items", details);
      for (const item of value)
        if (typeof item === "string") checkText(item, "an attribute", limits, details);
    } else if (typeof value === "string") checkText(value, "an attribute", limits, details);
  }
}

function checkOperands(
  spec: OpSpec,
  node: GraphNode,
  values: number,
  details: GraphErrorDetails,
): void {
  const { min, max } = operandCounts(spec);
  const count = node.inputs.length;
  if (count < min || count > max) {
    throw new GraphError("arity_invalid", `${node.op} has ${count} operands`, {
      ...details,
      expected: `${min === max ? min : max === Infinity ? `${min} or more` : `${min} to ${max}`} (${spec.operands.join(", ")})`,
    });
  }
  node.inputs.forEach((value, index) => {
    checkReference(value, values, `operand ${index}`, details, spec.operands[index]?.endsWith("?"));
  });
}

function checkReference(
  value: number,
  values: number,
  what: string,
  details: GraphErrorDetails,
  optional: boolean | undefined,
): void {
  if (value === -1 && optional === true) return;
  if (isSize(value) && value < values) return;
  throw new GraphError("value_unknown", `${what} refers to value ${value}`, {
    ...details,
    expected:
      values === 0
        ? "no reference: there is no value before it"
        : `a value before it: 0 to ${values - 1}`,
  });
}

function checkFunctions(
  graph: Graph,
  functionIndex: number,
  node: GraphNode,
  details: GraphErrorDetails,
): void {
  for (const callee of functionsOf(node)) {
    if (callee >= graph.functions.length) {
      throw new GraphError("function_unknown", `there is no function ${callee}`, {
        ...details,
        expected: `a function before ${graph.functions.length}`,
      });
    }
    if (callee <= functionIndex) {
      throw new GraphError(
        "function_recursive",
        `function ${functionIndex} refers to function ${callee}`,
        { ...details, expected: "a function after it: there is no recursion" },
      );
    }
  }
}

/** Checks the number of outputs where structure alone tells it; ops that compute it are checked with their types. */
function checkOutputs(
  graph: Graph,
  spec: OpSpec,
  node: GraphNode,
  details: GraphErrorDetails,
): void {
  const { outputs = 1 } = spec;
  if (isCallOutputCount(outputs)) return;
  const expected = outputCount(graph, outputs, node);
  if (node.outputs !== expected) {
    throw new GraphError("output_count_invalid", `${node.op} has ${node.outputs} outputs`, {
      ...details,
      expected: String(expected),
    });
  }
}

function outputCount(
  graph: Graph,
  outputs: number | "operands" | "results" | "types",
  node: GraphNode,
): number {
  switch (outputs) {
    case "operands":
      return node.inputs.length;
    case "types":
      return (node.attributes.results as readonly unknown[]).length;
    case "results":
      return resultCount(graph, node);
    default:
      return outputs;
  }
}

function resultCount(graph: Graph, node: GraphNode): number {
  // The predicate of a while comes first; the body says how many carries there are.
  const callee = node.op === "while" ? (node.attributes.body as number) : functionsOf(node)[0];
  if (callee === undefined) return 0;
  const { parameters, results } = graph.functions[callee] as GraphFunction;
  if (node.op === "vjp") return results.length + wrtOf(node.attributes, parameters.length).length;
  return node.op === "jvp" ? 2 * results.length : results.length;
}

function checkCustomCall(node: GraphNode, details: GraphErrorDetails): void {
  const { id, destination, precision, limit } = node.attributes as {
    id: Uint8Array;
    destination?: boolean;
    precision?: number;
    limit?: number;
  };
  const wrong: (message: string, expected: string) => never = (message, expected) => {
    throw new GraphError("custom_call_invalid", message, { ...details, expected });
  };
  if (id.length !== 16) wrong(`the id has ${id.length} bytes`, "16");
  if (destination === true && node.inputs.length < 2) {
    const count = node.inputs.length;
    wrong(`a hook with a destination has ${count} operands`, "values, then the destination");
  }
  for (const [name, value] of Object.entries({ precision, limit })) {
    if (value !== undefined && !isSize(value)) wrong(`"${name}" is ${value}`, "0 or more");
  }
}

function checkText(
  text: unknown,
  what: string,
  limits: GraphLimits,
  details: GraphErrorDetails,
): void {
  if (!isText(text)) {
    throw new GraphError("graph_invalid", `${what} is not well-formed text`, details);
  }
  const bytes = Buffer.byteLength(text);
  checkLimit(bytes, limits.textBytes, what, "bytes", details);
}

function checkLimit(
  count: number,
  limit: number,
  what: string,
  items: string,
  details: GraphErrorDetails,
): void {
  if (count > limit) {
    throw new GraphError("limit_exceeded", `${what} has ${count} ${items}`, {
      ...details,
      expected: `at most ${limit}`,
    });
  }
}
