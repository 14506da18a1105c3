import { show } from "../../show.js";
import {
  formatType,
  isInexact,
  isIntegral,
  sameType,
  type TensorType,
} from "../../tensor/dtype.js";
import { formatTypes, GraphError, type GraphErrorDetails } from "../error.js";
import type { Attributes, GraphNode } from "../graph.js";

/** The types of a function's parameters and results. */
export interface Signature {
  readonly parameters: readonly TensorType[];
  readonly results: readonly TensorType[];
}

const PREDICATE: TensorType = { dtype: "bool", shape: [] };
/** The type of the number of an iteration, which the body of a `for` takes first. */
export const ITERATION: TensorType = { dtype: "int32", shape: [] };
const isInteger = ({ dtype }: TensorType) => isIntegral(dtype);

/**
 * Checks a control flow node's operands against its functions. Returns the types of its outputs.
 * @throws GraphError `type_mismatched`, `attribute_invalid` or `arity_invalid`.
 */
export function checkControlFlow(
  node: Pick<GraphNode, "op" | "attributes">,
  operands: readonly TensorType[],
  signature: (index: number) => Signature,
  details: GraphErrorDetails,
): readonly TensorType[] {
  const callee = (name: string) => signature(node.attributes[name] as number);
  switch (node.op) {
    case "call":
      return checkCallee("the function", callee("function"), operands, details).results;
    case "vjp":
    case "jvp":
      return checkDerivative(node, callee("function"), operands, details);
    case "cond": {
      checkScalar("the predicate", operands[0], "bool", (type) => type.dtype === "bool", details);
      const branches = ["then", "else"].map((name) => [name, callee(name)] as const);
      return checkBranches(branches, operands.slice(1), details);
    }
    case "switch": {
      checkScalar("the index", operands[0], "integer", isInteger, details);
      const branches = node.attributes.branches as readonly number[];
      // One function may be very many of the branches.
      const different = new Map<number, string>();
      branches.forEach((branch, index) => {
        if (!different.has(branch)) different.set(branch, `branch ${index}`);
      });
      return checkBranches(
        [...different].map(([branch, name]) => [name, signature(branch)]),
        operands.slice(1),
        details,
      );
    }
    case "while": {
      const predicate = checkCallee("the predicate", callee("predicate"), operands, details);
      checkTypes("the predicate's results", predicate.results, [PREDICATE], details);
      const body = checkCallee("the body", callee("body"), operands, details);
      return checkCarries(body, operands, details);
    }
    case "for": {
      const { count } = node.attributes as { count?: number | bigint };
      if (count === undefined) {
        checkScalar("the count", operands[0], "integer", isInteger, details);
      } else if (count > 2 ** 31 - 1) {
        throw new GraphError("attribute_invalid", `the count is ${count}`, {
          ...details,
          expected: "at most 2^31 - 1: the iteration is an int32",
        });
      }
      const state = count === undefined ? operands.slice(1) : operands;
      const body = checkCallee("the body", callee("body"), [ITERATION, ...state], details);
      return checkCarries(body, state, details);
    }
    default:
      throw new GraphError("op_unknown", `there is no op "${node.op}"`, details);
  }
}

/** The arguments that a `vjp` or `jvp` differentiates by. */
export function wrtOf(attributes: Attributes, parameters: number): readonly number[] {
  const wrt = attributes.wrt as readonly (number | bigint)[] | undefined;
  return wrt?.map(Number) ?? Array.from({ length: parameters }, (_, index) => index);
}

function checkDerivative(
  node: Pick<GraphNode, "op" | "attributes">,
  { parameters, results }: Signature,
  operands: readonly TensorType[],
  details: GraphErrorDetails,
): readonly TensorType[] {
  const wrt = wrtOf(node.attributes, parameters.length);
  const seen = new Set<number>();
  for (const index of wrt) {
    if (index < 0 || index >= parameters.length || seen.has(index)) {
      throw new GraphError("attribute_invalid", `"wrt" is ${show(wrt)}`, {
        ...details,
        expected: `different numbers below ${parameters.length}, the number of arguments`,
      });
    }
    seen.add(index);
  }
  const by = wrt.map((index) => parameters[index] as TensorType);
  wrt.forEach((index, position) => {
    checkDifferentiable(`argument ${index}`, by[position] as TensorType, details);
  });
  results.forEach((type, index) => {
    checkDifferentiable(`result ${index}`, type, details);
  });
  const [name, directions] = node.op === "vjp" ? ["cotangents", results] : ["tangents", by];
  checkTypes("the arguments", operands.slice(0, parameters.length), parameters, details);
  checkTypes(`the ${name}`, operands.slice(parameters.length), directions, details);
  return [...results, ...(node.op === "vjp" ? by : results)];
}

/** Tells whether values of a type have derivatives. */
export function isDifferentiable(type: TensorType): boolean {
  return isInexact(type.dtype);
}

function checkDifferentiable(what: string, type: TensorType, details: GraphErrorDetails): void {
  if (isDifferentiable(type)) return;
  throw new GraphError("derivative_unsupported", `${what} is ${formatType(type)}`, {
    ...details,
    expected: "a floating or complex type",
  });
}

function checkCallee(
  what: string,
  callee: Signature,
  operands: readonly TensorType[],
  details: GraphErrorDetails,
): Signature {
  checkTypes(`${what}'s parameters`, callee.parameters, operands, details);
  return callee;
}

function checkBranches(
  branches: readonly (readonly [string, Signature])[],
  operands: readonly TensorType[],
  details: GraphErrorDetails,
): readonly TensorType[] {
  const first = branches[0];
  if (first === undefined) {
    throw new GraphError("attribute_invalid", "there are no branches", {
      ...details,
      expected: "one or more",
    });
  }
  for (const [name, branch] of branches) {
    checkCallee(name, branch, operands, details);
    checkTypes(`the results of ${name}`, branch.results, first[1].results, details, first[0]);
  }
  return first[1].results;
}

/** The first operands are the carries: as many as the body returns, and of the same types. */
function checkCarries(
  body: Signature,
  operands: readonly TensorType[],
  details: GraphErrorDetails,
): readonly TensorType[] {
  const { results } = body;
  if (results.length > operands.length) {
    throw new GraphError("type_mismatched", `the body returns ${results.length} carries`, {
      ...details,
      expected: `at most ${operands.length}, the number of operands`,
    });
  }
  results.forEach((type, index) => {
    const carry = operands[index] as TensorType;
    if (!sameType(type, carry)) {
      throw new GraphError(
        "type_mismatched",
        `carry ${index} changes from ${formatType(carry)} to ${formatType(type)}`,
        { ...details, expected: `the body to return ${formatType(carry)}` },
      );
    }
  });
  return results;
}

function checkScalar(
  what: string,
  type: TensorType | undefined,
  kind: string,
  accepts: (type: TensorType) => boolean,
  details: GraphErrorDetails,
): void {
  if (type !== undefined && type.shape.length === 0 && accepts(type)) return;
  const found = type === undefined ? "absent" : formatType(type);
  const code = type === undefined ? "arity_invalid" : "type_mismatched";
  throw new GraphError(code, `${what} is ${found}`, { ...details, expected: `${kind} scalar` });
}

function checkTypes(
  what: string,
  found: readonly TensorType[],
  expected: readonly TensorType[],
  details: GraphErrorDetails,
  asIn?: string,
): void {
  if (
    found.length === expected.length &&
    found.every((type, index) => sameType(type, expected[index] as TensorType))
  ) {
    return;
  }
  throw new GraphError("type_mismatched", `${what} are ${formatTypes(found)}`, {
    ...details,
    expected: formatTypes(expected) + (asIn === undefined ? "" : `, as of ${asIn}`),
  });
}
