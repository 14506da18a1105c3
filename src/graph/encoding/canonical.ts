import { createHash } from "node:crypto";
import { endsStep, finish, type Steps } from "../../steps.js";
import type { TensorType } from "../../tensor/dtype.js";
import { checkAttributes, unknownAttribute } from "../attributes.js";
import { GraphError } from "../error.js";
import type { Attribute, Graph, GraphFunction, GraphNode } from "../graph.js";
import { DEFAULT_LIMITS, type GraphLimits } from "../limits.js";
import type { OpSpec } from "../ops/spec.js";
import { findOp, TABLE } from "../table.js";
import { CanonicalReader, compareText } from "./canonical-reader.js";
import { CanonicalWriter } from "./canonical-writer.js";

/** The version of the encoding, the value of its key `davit`. */
export const CANONICAL_VERSION = 1;

/**
 * A graph's canonical bytes: the same for the same graph, in every language.
 *
 * They are msgpack with one form for everything: keys in the order of their UTF-8 bytes, minimal widths,
 * attributes typed by the op table, floats as a bin of 8 big-endian bytes with a single NaN. A node leaves out
 * `attributes` when it has none, `label` when absent and `outputs` when 1; a function `parameter_names` when it has none.
 */
export function encodeGraph(graph: Graph, table = TABLE): Uint8Array {
  const writer = new CanonicalWriter();
  writer.map(2);
  writer.text("davit");
  writer.integer(CANONICAL_VERSION);
  writer.text("functions");
  writer.list(graph.functions, (item) => writeFunction(writer, item, table));
  return writer.finish();
}

/** A graph's name: the SHA-256 of its canonical bytes, in hex. */
export function graphHash(graph: Graph, table = TABLE): string {
  return hashBytes(encodeGraph(graph, table));
}

/** The SHA-256 of bytes, in hex. */
export function hashBytes(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Reads canonical bytes. The graph's form and its attributes are checked; what refers to what is not: see `validate`.
 * Attributes of kind `bytes` are views of the given bytes.
 * @throws GraphError `graph_invalid` with the offset where the bytes are not canonical; or as `findOp` and `checkAttributes`.
 */
export function decodeGraph(
  bytes: Uint8Array,
  limits: GraphLimits = DEFAULT_LIMITS,
  table = TABLE,
): Graph {
  return finish(decodeSteps(bytes, limits, table));
}

/** As {@link decodeGraph}, a step for some nodes. */
export function* decodeSteps(
  bytes: Uint8Array,
  limits: GraphLimits = DEFAULT_LIMITS,
  table = TABLE,
): Steps<Graph> {
  const reader = new CanonicalReader(bytes, limits);
  let version: number | undefined;
  let functions: GraphFunction[] | undefined;
  let nodes = 0;
  const countNode = () => {
    if (++nodes > limits.nodes) {
      throw new GraphError("limit_exceeded", `the graph has more than ${limits.nodes} nodes`);
    }
    return nodes;
  };
  yield* reader.mapSteps("the graph", function* (key) {
    if (key === "davit") {
      version = reader.index("the version");
      if (version !== CANONICAL_VERSION) {
        throw new GraphError("version_unsupported", `the graph has version ${version}`, {
          expected: String(CANONICAL_VERSION),
        });
      }
    } else if (key === "functions") {
      functions = yield* reader.listSteps(
        "functions",
        () => readFunction(reader, table, limits, countNode),
        limits.functions,
      );
    } else return false;
  });
  reader.end();
  return {
    functions:
      version === undefined ? reader.fail('the graph has no "davit"') : need(reader, functions),
  };
}

function writeFunction(writer: CanonicalWriter, item: GraphFunction, table: typeof TABLE): void {
  const names = item.parameterNames ?? [];
  writer.map(names.length === 0 ? 4 : 5);
  writer.text("name");
  writer.text(item.name);
  writer.text("nodes");
  writer.list(item.nodes, (node) => writeNode(writer, node, table));
  if (names.length > 0) {
    writer.text("parameter_names");
    writer.list(names, (name) => writer.text(name));
  }
  writer.text("parameters");
  writer.list(item.parameters, (type) => writer.type(type));
  writer.text("results");
  writer.list(item.results, (value) => writer.integer(value));
}

function writeNode(writer: CanonicalWriter, node: GraphNode, table: typeof TABLE): void {
  const details = { op: node.op, label: node.label };
  const spec = findOp(node.op, details, table);
  checkAttributes(spec, node.attributes, details);
  const names = Object.keys(node.attributes)
    .filter((name) => node.attributes[name] !== undefined)
    .sort(compareText);
  const omitted =
    (names.length === 0 ? 1 : 0) +
    (node.label === undefined ? 1 : 0) +
    (node.outputs === 1 ? 1 : 0);
  writer.map(5 - omitted);
  if (names.length > 0) {
    writer.text("attributes");
    writer.map(names.length);
    for (const name of names) {
      writer.text(name);
      const row = spec.attributes[name];
      if (row === undefined) throw unknownAttribute(name, spec, details);
      writer.attribute(row.kind, node.attributes[name] as Attribute);
    }
  }
  writer.text("inputs");
  writer.list(node.inputs, (value) => writer.integer(value));
  if (node.label !== undefined) {
    writer.text("label");
    writer.text(node.label);
  }
  writer.text("op");
  writer.text(node.op);
  if (node.outputs !== 1) {
    writer.text("outputs");
    writer.integer(node.outputs);
  }
}

function* readFunction(
  reader: CanonicalReader,
  table: typeof TABLE,
  limits: GraphLimits,
  countNode: () => number,
): Steps<GraphFunction> {
  let name: string | undefined;
  let nodes: GraphNode[] | undefined;
  let parameterNames: string[] | undefined;
  let parameters: TensorType[] | undefined;
  let results: number[] | undefined;
  const readOne = function* () {
    if (endsStep(countNode())) yield;
    return readNode(reader, table);
  };
  yield* reader.mapSteps("a function", function* (key) {
    if (key === "name") name = reader.text("the name of a function");
    else if (key === "nodes") nodes = yield* reader.listSteps("nodes", readOne, limits.nodes);
    else if (key === "parameter_names") {
      parameterNames = reader.list("parameter_names", () => reader.text("a parameter's name"));
      if (parameterNames.length === 0) {
        reader.fail('"parameter_names" is written although empty');
      }
    } else if (key === "parameters") {
      parameters = reader.list("parameters", () => reader.type("a parameter"));
    } else if (key === "results") results = reader.list("results", () => reader.index("a result"));
    else return false;
  });
  const read = {
    name: need(reader, name),
    parameters: need(reader, parameters),
    nodes: need(reader, nodes),
    results: need(reader, results),
  };
  return parameterNames === undefined ? read : { ...read, parameterNames };
}

function readNode(reader: CanonicalReader, table: typeof TABLE): GraphNode {
  let attributesAt = 0;
  let attributesEnd = 0;
  let inputs: number[] | undefined;
  let label: string | undefined;
  let op: string | undefined;
  let outputs = 1;
  reader.map("a node", (key) => {
    // The op that types the attributes comes after them.
    if (key === "attributes") {
      attributesAt = reader.skip();
      attributesEnd = reader.offset;
    } else if (key === "inputs") inputs = reader.list("inputs", () => reader.index("an input"));
    else if (key === "label") label = reader.text("a label");
    else if (key === "op") op = reader.text("an op");
    else if (key === "outputs") {
      outputs = reader.index("outputs");
      if (outputs === 1) reader.fail('"outputs" is written although it is 1');
    } else return false;
  });
  const name = need(reader, op);
  const details = { op: name, label };
  const spec = findOp(name, details, table);
  const attributes = reader.once(name, attributesAt, attributesEnd, () => {
    const read = attributesEnd === 0 ? {} : readAttributes(reader, spec, details);
    checkAttributes(spec, read, details);
    return read;
  });
  const node = { op: name, inputs: need(reader, inputs), attributes, outputs };
  return label === undefined ? node : { ...node, label };
}

function readAttributes(
  reader: CanonicalReader,
  spec: OpSpec,
  details: { op: string; label: string | undefined },
): Record<string, Attribute> {
  const attributes: Record<string, Attribute> = {};
  reader.map("attributes", (key) => {
    const row = Object.hasOwn(spec.attributes, key) ? spec.attributes[key] : undefined;
    if (row === undefined) throw unknownAttribute(key, spec, details);
    attributes[key] = reader.attribute(`attribute "${key}" of ${details.op}`, row.kind);
  });
  if (Object.keys(attributes).length === 0) reader.fail('"attributes" is written although empty');
  return attributes;
}

function need<T>(reader: CanonicalReader, value: T | undefined): T {
  return value === undefined ? reader.fail("a required key is missing") : value;
}
