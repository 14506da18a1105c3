import { graphHash } from "../graph/canonical.js";
import { GraphError } from "../graph/error.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { inferGraph, type TypedFunction } from "../graph/infer.js";
import { validateGraph } from "../graph/validate.js";
import type { Site } from "../hooks/site.js";
import {
  type NativeEngine,
  type NativeFunction,
  type NativeNode,
  native,
  type ProgramId,
  type ValueId,
} from "../native.js";
import type { TensorType } from "../tensor/dtype.js";
import type { DavitErrorDetails } from "./error.js";
import type { ResolvedOptions } from "./options.js";

/** A node of a program and the types of its operands. */
interface PlacedNode {
  readonly node: GraphNode;
  readonly index: number;
  readonly function: string;
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
}

/** A graph that an engine has taken: typed, named by its hash, and known to the lanes. */
export class Program {
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  /** What can be watched: hooks, prints, calls, and nodes with a label. */
  readonly sites: readonly Site[];
  readonly #nodes: readonly PlacedNode[];
  #hash: string | undefined;

  constructor(
    readonly id: ProgramId,
    readonly graph: Graph,
    typed: readonly TypedFunction[],
  ) {
    const [entry] = typed as [TypedFunction];
    this.inputs = graph.functions[0]?.parameters ?? [];
    this.outputs = entry.results;
    this.#nodes = placeNodes(graph, typed);
    this.sites = this.#nodes.flatMap((placed, site) => siteOf(placed, site) ?? []);
  }

  /** The SHA-256 of the graph's canonical bytes, in hex: the program's name. */
  get hash(): string {
    this.#hash ??= graphHash(this.graph);
    return this.#hash;
  }

  /** What an error should tell of a node, by its number in program order; nothing for -1. */
  describe(site: number): DavitErrorDetails {
    const placed = this.#nodes[site];
    if (placed === undefined) return {};
    const { op, label } = placed.node;
    return { op, label, site, inputs: placed.inputs };
  }
}

/**
 * Validates and types a graph, and hands it to the native engine.
 * @throws GraphError, or the addon's error
 */
export function loadProgram(
  graph: Graph,
  constants: ReadonlyMap<string, ValueId>,
  engine: NativeEngine,
  options: ResolvedOptions,
): Program {
  validateGraph(graph, options.graphLimits);
  const limits = {
    ...options.graphLimits,
    valueBytes: Math.min(options.graphLimits.valueBytes, options.memoryLimit),
  };
  const typed = inferGraph(graph, {
    inferTypes: (op, inputs, attributes) => native().inferTypes(op, inputs, attributes),
    device: "cpu",
    limits,
  });
  return new Program(engine.loadProgram(lower(graph, typed, constants, engine)), graph, typed);
}

function placeNodes(graph: Graph, typed: readonly TypedFunction[]): PlacedNode[] {
  const placed: PlacedNode[] = [];
  graph.functions.forEach((item, number) => {
    const { values } = typed[number] as TypedFunction;
    let next = item.parameters.length;
    item.nodes.forEach((node, index) => {
      placed.push({
        node,
        index,
        function: item.name,
        inputs: node.inputs
          .filter((value) => value >= 0)
          .map((value) => values[value] as TensorType),
        outputs: values.slice(next, next + node.outputs),
      });
      next += node.outputs;
    });
  });
  return placed;
}

function siteOf(placed: PlacedNode, site: number): Site | undefined {
  const { node, index } = placed;
  const { attributes, label } = node;
  const custom = node.op === "custom_call";
  if (!custom && (label === undefined || node.outputs === 0)) return undefined;
  const kind = custom ? (attributes.target as Exclude<Site["kind"], "node">) : "node";
  return {
    site,
    node: index,
    function: placed.function,
    kind,
    types: placed.outputs,
    ...(custom ? { id: attributes.id as Uint8Array } : {}),
    ...(typeof attributes.name === "string" && custom ? { name: attributes.name } : {}),
    ...(label === undefined ? {} : { label }),
    ...(custom && attributes.destination === true ? { destination: true } : {}),
    ...(kind === "call" ? { operands: placed.inputs } : {}),
    ...(kind === "print" ? { print: printOptions(attributes) } : {}),
  };
}

function printOptions({ precision, limit }: GraphNode["attributes"]): NonNullable<Site["print"]> {
  return {
    ...(precision === undefined ? {} : { precision: Number(precision) }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
  };
}

function lower(
  graph: Graph,
  typed: readonly TypedFunction[],
  constants: ReadonlyMap<string, ValueId>,
  engine: NativeEngine,
): NativeFunction[] {
  return graph.functions.map((item, number) => {
    const { values } = typed[number] as TypedFunction;
    let next = item.parameters.length;
    const nodes = item.nodes.map((node): NativeNode => {
      const outputs = values.slice(next, next + node.outputs);
      next += node.outputs;
      return {
        op: node.op,
        inputs: node.inputs,
        attributes: bind(node, constants, engine),
        outputs,
        // A call's replies can be recorded, whether it has a label or not.
        watchable:
          node.label !== undefined ||
          (node.op === "custom_call" && node.attributes.target === "call"),
      };
    });
    return { parameters: item.parameters, nodes, results: item.results };
  });
}

/** A node's attributes for the native engine: a constant named by its hash becomes the tensor that has its value. */
function bind(
  node: GraphNode,
  constants: ReadonlyMap<string, ValueId>,
  engine: NativeEngine,
): GraphNode["attributes"] {
  const { hash, dtype, shape } = node.attributes as unknown as { hash?: Uint8Array } & TensorType;
  if (node.op === "custom_call") return { target: node.attributes.target as string };
  if (node.op !== "constant" || hash === undefined) return node.attributes;
  const name = Buffer.from(hash).toString("hex");
  const value = constants.get(name);
  const wanted: TensorType = { dtype, shape: shape.map(Number) };
  if (value === undefined) {
    throw new GraphError("constant_missing", `the constant ${name} was not given`, {
      op: node.op,
      label: node.label,
      expected: `a tensor ${dtype}[${wanted.shape.join(", ")}]`,
    });
  }
  const type = engine.typeOf(value);
  if (type.dtype !== dtype || type.shape.join() !== wanted.shape.join()) {
    throw new GraphError(
      "constant_invalid",
      `the constant ${name} is ${type.dtype}[${type.shape}]`,
      {
        op: node.op,
        label: node.label,
        expected: `${dtype}[${wanted.shape.join(", ")}]`,
      },
    );
  }
  return { dtype, shape, value };
}
