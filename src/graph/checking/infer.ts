import type { ErrorCode } from "../../contract/errors.js";
import { isError } from "../../realm.js";
import { endsStep, finish, type Steps } from "../../steps.js";
import { byteLength, formatType, MAX_SIZE, type TensorType } from "../../tensor/dtype.js";
import { isLeaf } from "../bound-values.js";
import { GraphError, type GraphErrorDetails } from "../error.js";
import type { Attributes, Graph, GraphFunction, GraphNode } from "../graph.js";
import { DEFAULT_LIMITS, type GraphLimits } from "../limits.js";
import { customCallKind } from "../ops/custom-call.js";
import { checkCall, type Device, isOp } from "../ops/index.js";
import { countOutputs, isCallOutputCount } from "../ops/outputs.js";
import { findOp } from "../table.js";
import { checkControlFlow, type Signature } from "./control-flow.js";

/** Asks for the types of an op's outputs; `NativeEngine.inferTypes` is one. Throws an error with a `code`. */
export type InferTypes = (
  op: string,
  inputs: readonly (TensorType | null)[],
  attributes: Attributes,
) => readonly TensorType[];

/** The options of inference. */
export interface InferOptions {
  readonly inferTypes: InferTypes;
  /** Whose dtype gaps hold. Default `cpu`. */
  readonly device?: Device | undefined;
  readonly limits?: GraphLimits | undefined;
}

/** The types of a function's values, by their numbers, and of its results. */
export interface TypedFunction {
  readonly values: readonly TensorType[];
  readonly results: readonly TensorType[];
}

/**
 * Finds the types of all values of a graph that `validateGraph` has passed; one entry per function.
 * @throws GraphError that names op, label and operand types: `type_mismatched`, `dtype_unsupported`, `value_too_large`, `output_count_invalid`, or what a
 * guard or the native engine has.
 */
export function inferGraph(graph: Graph, options: InferOptions): TypedFunction[] {
  return finish(inferSteps(graph, options));
}

/** As {@link inferGraph}, a step for some nodes. */
export function* inferSteps(graph: Graph, options: InferOptions): Steps<TypedFunction[]> {
  const typed: TypedFunction[] = [];
  const signature = (index: number): Signature => ({
    parameters: (graph.functions[index] as GraphFunction).parameters,
    results: (typed[index] as TypedFunction).results,
  });
  const known = new KnownCalls();
  // A function refers only to later ones.
  for (let index = graph.functions.length - 1; index >= 0; index--) {
    const item = graph.functions[index] as GraphFunction;
    const where = { function: item.name };
    item.parameters.forEach((type, parameter) => {
      checkSize(type, `parameter ${parameter}`, options, where);
    });
    const values = item.parameters.map((type) => known.type(type));
    for (const [position, node] of item.nodes.entries()) {
      const inputs = node.inputs.map((value) => (value < 0 ? null : (values[value] as TensorType)));
      const infer = () => {
        const details = { ...where, node: position };
        return inferNode(node, inputs, signature, options, details);
      };
      for (const type of known.outputs(node, inputs, infer)) values.push(type);
      if (endsStep(position)) yield;
    }
    typed[index] = { values, results: item.results.map((value) => values[value] as TensorType) };
  }
  return typed;
}

/**
 * The calls of ops in a graph whose types are known: a graph repeats them, layer by layer. Types that are equal are one object here, and calls have
 * the same attributes where these are one object, as in graphs that were decoded.
 */
class KnownCalls {
  readonly #types = new Map<string, TensorType>();
  readonly #numbers = new Map<object, number>();
  readonly #outputs = new Map<string, readonly TensorType[]>();

  /** The object for a type. */
  type(type: TensorType): TensorType {
    const key = formatType(type);
    const known = this.#types.get(key);
    if (known !== undefined) return known;
    this.#types.set(key, type);
    return type;
  }

  /** The types of a node's outputs, by `infer` where they are not known; `inputs` are objects of {@link type}. */
  outputs(
    node: GraphNode,
    inputs: readonly (TensorType | null)[],
    infer: () => readonly TensorType[],
  ): readonly TensorType[] {
    if (!isOp(node.op)) return infer().map((type) => this.type(type));
    let key = `${node.op} ${node.outputs} ${this.#number(node.attributes)}`;
    for (const input of inputs) key += ` ${input === null ? "" : this.#number(input)}`;
    let outputs = this.#outputs.get(key);
    if (outputs === undefined) {
      outputs = infer().map((type) => this.type(type));
      this.#outputs.set(key, outputs);
    }
    return outputs;
  }

  #number(object: object): number {
    let number = this.#numbers.get(object);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(object, number);
    }
    return number;
  }
}

/** The parts of a node that determine its output types; `outputs`, where it is given, has to be their number. */
type InferredNode = Pick<GraphNode, "op" | "attributes" | "label"> & { readonly outputs?: number };

/** Finds the types of one node's outputs. `signature` returns those of the functions that it names. */
export function inferNode(
  node: InferredNode,
  inputs: readonly (TensorType | null)[],
  signature: (index: number) => Signature,
  options: InferOptions,
  where: GraphErrorDetails = {},
): readonly TensorType[] {
  const details = { ...where, op: node.op, label: node.label, inputs };
  const types = isOp(node.op)
    ? inferOp(node, inputs, options, details)
    : inferStructural(node, inputs, signature, details);
  if (node.outputs !== undefined && types.length !== node.outputs) {
    throw new GraphError("output_count_invalid", `${node.op} has ${node.outputs} outputs`, {
      ...details,
      expected: String(types.length),
    });
  }
  for (const type of types) checkSize(type, "the result", options, details);
  return types;
}

function inferOp(
  node: InferredNode,
  inputs: readonly (TensorType | null)[],
  options: InferOptions,
  details: GraphErrorDetails,
): readonly TensorType[] {
  try {
    const given = { op: node.op, inputs, attributes: node.attributes };
    const call = checkCall(given, options.device);
    const { outputs } = findOp(node.op);
    const expected = isCallOutputCount(outputs) ? countOutputs(outputs, call) : undefined;
    if (expected !== undefined && expected !== (node.outputs ?? expected)) {
      throw new GraphError("output_count_invalid", `${node.op} has ${node.outputs} outputs`, {
        expected: String(expected),
      });
    }
    const { list } = options.limits ?? DEFAULT_LIMITS;
    if (expected !== undefined && expected > list) {
      throw new GraphError("limit_exceeded", `${node.op} has ${expected} outputs`, {
        expected: `at most ${list}`,
      });
    }
    return options.inferTypes(node.op, inputs, call.attributes);
  } catch (error) {
    if (error instanceof GraphError) throw error.within(details);
    if (isError(error) && typeof (error as { code?: unknown }).code === "string") {
      const { code } = error as Error & { code: ErrorCode };
      throw new GraphError(code === "mlx_failed" ? "op_refused" : code, error.message, {
        ...details,
        cause: error,
      });
    }
    throw error;
  }
}

function inferStructural(
  node: Pick<GraphNode, "op" | "attributes">,
  inputs: readonly (TensorType | null)[],
  signature: (index: number) => Signature,
  details: GraphErrorDetails,
): readonly TensorType[] {
  const { attributes } = node;
  const operands = inputs as readonly TensorType[];
  if (isLeaf(node)) {
    const { dtype, shape } = attributes as unknown as TensorType;
    return [{ dtype, shape: shape.map(Number) }];
  }
  const kind = customCallKind(node);
  if (kind === "callback") return attributes.results as readonly TensorType[];
  if (kind !== undefined) {
    if (attributes.destination === true) checkDestination(operands, details);
    return operands;
  }
  return checkControlFlow(node, operands, signature, details);
}

function checkDestination(operands: readonly TensorType[], details: GraphErrorDetails): void {
  const type = operands[operands.length - 1] as TensorType;
  if (type.dtype === "uint8" && type.shape.length === 1) return;
  throw new GraphError("type_mismatched", `the destination is ${formatType(type)}`, {
    ...details,
    expected: "a uint8 vector",
  });
}

function checkSize(
  type: TensorType,
  what: string,
  options: InferOptions,
  details: GraphErrorDetails,
): void {
  const { valueBytes: limit, rank } = options.limits ?? DEFAULT_LIMITS;
  if (type.shape.length > rank) {
    throw new GraphError("limit_exceeded", `${what} would be ${formatType(type)}`, {
      ...details,
      expected: `at most ${rank} dimensions`,
    });
  }
  const fits = type.shape.every((size) => size >= 0 && size <= MAX_SIZE);
  if (fits && byteLength(type) <= limit) return;
  throw new GraphError("value_too_large", `${what} would be ${formatType(type)}`, {
    ...details,
    expected: fits ? `at most ${limit} bytes` : `sizes up to ${MAX_SIZE}`,
  });
}
