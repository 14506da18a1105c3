import type { ErrorDetails } from "../error.js";
import { boundValueOf } from "../graph/bound-values.js";
import { inferSteps, type TypedFunction } from "../graph/checking/infer.js";
import { validateSteps } from "../graph/checking/validate.js";
import { decodeSteps, graphHash, hashBytes } from "../graph/encoding/canonical.js";
import { GraphError } from "../graph/error.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { customCallKind } from "../graph/ops/custom-call.js";
import { withDefaults } from "../graph/ops/defaults.js";
import { findOp } from "../graph/table.js";
import type { Site } from "../hooks/site.js";
import {
  inferTypes,
  type NativeEngine,
  type NativeFunction,
  type NativeNode,
  type ProgramId,
  type ValueId,
} from "../native.js";
import { isBytes } from "../realm.js";
import { endsStep, type Steps } from "../steps.js";
import { formatType, type TensorType } from "../tensor/dtype.js";
import type { ResolvedOptions } from "./options.js";
import { type StoredProgram, valuesFit } from "./stored-program.js";

/** What a program is loaded from: a graph, its canonical bytes, or what the store has of it. */
export type ProgramSource = Graph | Uint8Array | StoredProgram;

/** The native tensors of values that are not in the graph. */
export interface Bindings {
  /** By the SHA-256 of their bytes, in hex. */
  readonly constants?: ReadonlyMap<string, ValueId>;
  /** By their names. */
  readonly externals?: ReadonlyMap<string, ValueId>;
}

/** A node of a program, and where it stands. */
interface PlacedNode {
  readonly node: GraphNode;
  readonly index: number;
  readonly function: string;
  /** The types of its function's values, and the number of its first output among them. */
  readonly values: readonly TensorType[];
  readonly first: number;
}

/** A graph that an engine has taken: typed, named by its hash, and known to the lanes. */
export class Program {
  /** The types of its parameters. */
  readonly inputs: readonly TensorType[];
  /** The types of its results. */
  readonly outputs: readonly TensorType[];
  /** The nodes that can be watched: hooks, prints, callbacks, and nodes with a label. */
  readonly sites: readonly Site[];
  readonly #nodes: readonly PlacedNode[];
  #hash: string | undefined;

  /** @internal */
  constructor(
    /** @internal */
    readonly id: ProgramId,
    /** The graph that it was loaded from. */
    readonly graph: Graph,
    /** @internal */
    readonly typed: readonly TypedFunction[],
    hash?: string,
  ) {
    this.#hash = hash;
    const [entry] = typed as [TypedFunction];
    this.inputs = graph.functions[0]?.parameters ?? [];
    this.outputs = entry.results;
    this.#nodes = placeNodes(graph, typed);
    this.sites = this.#nodes.flatMap((placed, number) => siteOf(placed, number) ?? []);
  }

  /** The SHA-256 of the graph's canonical bytes, in hex: the program's name. */
  get hash(): string {
    this.#hash ??= graphHash(this.graph);
    return this.#hash;
  }

  /** Returns what an error tells of a node, by its number in program order; nothing for -1. @internal */
  describe(site: number): ErrorDetails {
    const placed = this.#nodes[site];
    if (placed === undefined) return {};
    const { op, label } = placed.node;
    return { op, label, site, inputs: operandTypes(placed) };
  }
}

/**
 * Reads a graph where it comes as canonical bytes, validates and types it, and hands it to the native engine, in steps. What the store has was
 * validated and typed before.
 * @throws GraphError, or the addon's error
 */
export function* loadSteps(
  source: ProgramSource,
  bindings: Bindings,
  engine: NativeEngine,
  options: ResolvedOptions,
): Steps<Program> {
  const { graph, typed, hash } = yield* readSteps(source, options);
  const functions = yield* lower(graph, typed, bindings, engine);
  const id = engine.loadProgram(functions);
  let program: Program | undefined;
  try {
    yield;
    program = new Program(id, graph, typed, hash);
    return program;
  } finally {
    // The work may have been stopped before its end.
    if (program === undefined) engine.unloadProgram(id);
  }
}

function* readSteps(source: ProgramSource, { graphLimits, memoryLimit }: ResolvedOptions) {
  const limits = { ...graphLimits, valueBytes: Math.min(graphLimits.valueBytes, memoryLimit) };
  const stored = "typed" in source ? source : undefined;
  const bytes = stored?.bytes ?? (isBytes(source) ? source : undefined);
  const hash = bytes && hashBytes(bytes);
  if (stored !== undefined && valuesFit(stored.typed, limits.valueBytes)) {
    return { graph: stored.graph, typed: stored.typed, hash };
  }
  const graph = bytes === undefined ? (source as Graph) : yield* decodeSteps(bytes, graphLimits);
  yield* validateSteps(graph, graphLimits);
  return { graph, typed: yield* inferSteps(graph, { inferTypes, limits }), hash };
}

function placeNodes(graph: Graph, typed: readonly TypedFunction[]): PlacedNode[] {
  const placed: PlacedNode[] = [];
  graph.functions.forEach((item, number) => {
    const { values } = typed[number] as TypedFunction;
    let first = item.parameters.length;
    item.nodes.forEach((node, index) => {
      placed.push({ node, index, function: item.name, values, first });
      first += node.outputs;
    });
  });
  return placed;
}

function operandTypes({ node, values }: PlacedNode): TensorType[] {
  return node.inputs.filter((value) => value >= 0).map((value) => values[value] as TensorType);
}

function siteOf(placed: PlacedNode, number: number): Site | undefined {
  const { node, index, values, first } = placed;
  const { attributes, label } = node;
  const types = values.slice(first, first + node.outputs);
  const custom = customCallKind(node);
  if (custom === undefined) {
    if (label === undefined || types.length === 0) return undefined;
    return { number, node: index, function: placed.function, kind: "node", types, label };
  }
  return {
    number,
    node: index,
    function: placed.function,
    types,
    kind: custom,
    id: attributes.id as Uint8Array,
    ...(typeof attributes.name === "string" ? { name: attributes.name } : {}),
    ...(label === undefined ? {} : { label }),
    ...(attributes.destination === true ? { destination: true } : {}),
    ...(custom === "callback" ? { operands: operandTypes(placed) } : {}),
    ...(custom === "print" ? { print: printOptions(attributes) } : {}),
  };
}

function printOptions({ precision, limit }: GraphNode["attributes"]): NonNullable<Site["print"]> {
  return {
    ...(precision === undefined ? {} : { precision: Number(precision) }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
  };
}

function* lower(
  graph: Graph,
  typed: readonly TypedFunction[],
  bindings: Bindings,
  engine: NativeEngine,
): Steps<NativeFunction[]> {
  const functions: NativeFunction[] = [];
  for (const [number, item] of graph.functions.entries()) {
    const { values } = typed[number] as TypedFunction;
    let next = item.parameters.length;
    const nodes: NativeNode[] = [];
    for (const [position, node] of item.nodes.entries()) {
      const { op, attributes } = bind(node, bindings, engine);
      nodes.push({
        op,
        inputs: node.inputs,
        attributes,
        outputs: values.slice(next, next + node.outputs),
        // A callback's replies can be recorded, whether it has a label or not.
        watchable: node.label !== undefined || customCallKind(node) === "callback",
      });
      next += node.outputs;
      if (endsStep(position)) yield;
    }
    functions.push({ parameters: item.parameters, nodes, results: item.results });
  }
  return functions;
}

const BINDING_ERRORS = {
  constant: { missing: "constant_missing", invalid: "constant_invalid" },
  external: { missing: "external_missing", invalid: "external_invalid" },
} as const;

/**
 * Binds a tensor to a value that is not in the graph; returns the node as the native engine takes it.
 * @throws GraphError `constant_missing`, `constant_invalid`, `external_missing`, `external_invalid`
 */
function bind(
  node: GraphNode,
  bindings: Bindings,
  engine: NativeEngine,
): Pick<NativeNode, "op" | "attributes"> {
  const { op, label } = node;
  if (customCallKind(node) !== undefined) return { op, attributes: {} };
  const bound = boundValueOf(node);
  if (bound === undefined) return { op, attributes: withDefaults(findOp(op), node.attributes) };
  const { kind, name, type } = bound;
  const fail = (problem: "missing" | "invalid", text: string): never => {
    throw new GraphError(BINDING_ERRORS[kind][problem], `the ${kind} ${name} ${text}`, {
      op,
      label,
      expected: `a tensor ${formatType(type)}`,
    });
  };
  const value = bindings[`${kind}s`]?.get(name) ?? fail("missing", "was not given");
  const given = engine.typeOf(value);
  if (formatType(given) !== formatType(type)) fail("invalid", `is ${formatType(given)}`);
  return { op: "constant", attributes: { ...type, value } };
}
