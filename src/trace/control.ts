import { ITERATION } from "../graph/checking/control-flow.js";
import { GraphError } from "../graph/error.js";
import type { Tensor } from "../native-tensor.js";
import { formatType, isIntegral, type TensorType } from "../tensor/dtype.js";
import type { Scalar, TypedArray } from "../tensor/values.js";
import { currentTrace, type FunctionBuilder, type TraceContext } from "./builder.js";
import { type Operand, toTraced } from "./operand.js";
import { synchronous } from "./promise.js";
import type { Traced } from "./traced.js";
import { type Flat, flatten, type Tree } from "./tree.js";

/** A leaf of a tree of operands: arrays are part of the tree, so a constant there is a number or a typed array. */
export type OperandLeaf = Traced | Tensor | Scalar | TypedArray;

/** A tree of traced values, tensors and constants. */
export type OperandTree = Tree<OperandLeaf>;

/** A function that was traced inside another. */
export interface SubFunction {
  readonly builder: FunctionBuilder;
  readonly results: readonly Traced[];
  readonly tree: Flat<OperandLeaf>;
}

/** Traces a sub-function on parameters of given types. */
export function subFunction(
  trace: TraceContext,
  name: string,
  types: readonly TensorType[],
  body: (parameters: Traced[]) => OperandTree,
): SubFunction {
  const builder = trace.begin(name);
  return trace.inside(builder, () => {
    const tree = flatten<OperandLeaf>(
      synchronous(name, body(types.map((type) => builder.parameter(type)))),
    );
    const results = tree.leaves.map((leaf) => toTraced(builder, leaf, "", undefined));
    return { builder, results, tree };
  });
}

/** Returns the values of the function around them that several sub-functions use: all get them, in one order. */
export function sharedCaptures(functions: readonly SubFunction[]): Traced[] {
  return [...new Set(functions.flatMap(({ builder }) => builder.capturedFromParent()))];
}

/** Puts sub-functions into the graph. */
export function finish(
  trace: TraceContext,
  functions: readonly SubFunction[],
  captures: Traced[],
): void {
  for (const { builder, results } of functions) {
    trace.functions.set(builder.index, builder.finish(results, captures));
  }
}

/** Refuses values of other types, or in trees of another structure, than what is wanted. */
export function checkSame(
  what: string,
  given: readonly Traced[],
  wanted: readonly TensorType[],
  [structure, wantedStructure]: readonly [string, string],
): void {
  const list = (types: readonly TensorType[]) => `(${types.map(formatType).join(", ")})`;
  const found = list(given.map((value) => value.type));
  const expected = list(wanted);
  if (found !== expected) {
    throw new GraphError("type_mismatched", `${what} ${found}`, { expected });
  }
  if (structure !== wantedStructure) {
    throw new GraphError("type_mismatched", `${what} ${structure}`, { expected: wantedStructure });
  }
}

function scalar(value: Traced, dtype: "bool" | "integer", what: string): void {
  const fits = dtype === "bool" ? value.dtype === "bool" : isIntegral(value.dtype);
  if (fits && value.ndim === 0) return;
  throw new GraphError("type_invalid", `${what} is ${formatType(value.type)}`, {
    expected: dtype === "bool" ? "bool[]" : "an integer scalar",
  });
}

/**
 * Runs one of two branches: only that one is computed, and only its hooks fire. Both return results of the same
 * types. They may use any value of the function around them.
 */
export function cond<Result extends OperandTree>(
  predicate: Operand,
  then: () => Result,
  otherwise: () => Result,
): TracedTree<Result> {
  return branches("cond", predicate, [then, otherwise]) as unknown as TracedTree<Result>;
}

/** Runs the branch with the index's number, clamped to the first and the last. */
export function switchCase<Result extends OperandTree>(
  index: Operand,
  cases: readonly (() => Result)[],
): TracedTree<Result> {
  if (cases.length === 0) {
    throw new GraphError("branches_missing", "switchCase has no branches", {
      expected: "at least one",
    });
  }
  return branches("switch", index, cases) as unknown as TracedTree<Result>;
}

function branches(
  op: "cond" | "switch",
  selector: Operand,
  parts: readonly (() => OperandTree)[],
): unknown {
  const trace = currentTrace(op);
  const { builder } = trace;
  const [name, role] = op === "cond" ? (["predicate"] as const) : (["index", "index"] as const);
  const chosen = toTraced(builder, selector, name, undefined, role);
  scalar(chosen, op === "cond" ? "bool" : "integer", op === "cond" ? "the predicate" : "the index");
  const functions = parts.map((part, number) =>
    subFunction(trace, `${builder.name}.${op}_${number}`, [], part),
  );
  const [first] = functions as [SubFunction];
  const types = first.results.map((result) => result.type);
  for (const other of functions.slice(1)) {
    checkSame("a branch returns", other.results, types, [
      other.tree.structure,
      first.tree.structure,
    ]);
  }
  const captures = sharedCaptures(functions);
  finish(trace, functions, captures);
  const indices = functions.map((part) => part.builder.index);
  const attributes =
    op === "cond"
      ? // biome-ignore lint/suspicious/noThenProperty: the name of an attribute
        { then: indices[0] as number, else: indices[1] as number }
      : { branches: indices };
  return first.tree.rebuild(builder.add(op, [chosen, ...captures], attributes, types));
}

/** A tree of the same shape with traced leaves. */
export type TracedTree<T> = OperandTree extends T
  ? Tree<Traced>
  : T extends OperandLeaf
    ? Traced
    : T extends object
      ? { -readonly [K in keyof T]: TracedTree<T[K]> }
      : Traced;

function carriesOf(builder: FunctionBuilder, initial: OperandTree) {
  const tree = flatten<OperandLeaf>(initial);
  const carries = tree.leaves.map((leaf) => toTraced(builder, leaf, "", undefined));
  return { tree, carries, types: carries.map((carry) => carry.type) };
}

/**
 * Runs `body` while `predicate` returns true. Both take the carried values; the body returns the next ones, of the
 * same types. Where the predicate compares an integer with a bound and the body adds a constant to it, the
 * engine knows the number of iterations and evaluates many at once.
 */
export function whileLoop<State extends OperandTree>(
  initial: State,
  predicate: (state: TracedTree<State>) => Operand,
  body: (state: TracedTree<State>) => OperandTree,
): TracedTree<State> {
  const trace = currentTrace("whileLoop");
  const { builder } = trace;
  const { tree, carries, types } = carriesOf(builder, initial);
  const state = (parameters: Traced[]) => tree.rebuild(parameters) as unknown as TracedTree<State>;
  const test = subFunction(
    trace,
    `${builder.name}.while_predicate`,
    types,
    (parameters) => predicate(state(parameters)) as OperandTree,
  );
  const [answer] = test.results;
  if (answer === undefined || test.results.length !== 1) {
    throw new GraphError("type_invalid", `the predicate returns ${test.results.length} values`, {
      expected: "one bool[]",
    });
  }
  scalar(answer, "bool", "the predicate");
  const next = subFunction(trace, `${builder.name}.while_body`, types, (parameters) =>
    body(state(parameters)),
  );
  checkSame("the body returns", next.results, types, [next.tree.structure, tree.structure]);
  const captures = sharedCaptures([test, next]);
  finish(trace, [test, next], captures);
  const attributes = { predicate: test.builder.index, body: next.builder.index };
  return state(builder.add("while", [...carries, ...captures], attributes, types));
}

/**
 * Runs `body` a number of times: a number that is known now, or an integer scalar. The body takes the iteration
 * (an int32 scalar from 0) and the carried values, and returns the next ones, of the same types.
 */
export function forLoop<State extends OperandTree>(
  count: number | Traced,
  initial: State,
  body: (state: TracedTree<State>, iteration: Traced) => OperandTree,
): TracedTree<State> {
  const trace = currentTrace("forLoop");
  const { builder } = trace;
  const { tree, carries, types } = carriesOf(builder, initial);
  const next = subFunction(trace, `${builder.name}.for_body`, [ITERATION, ...types], (parameters) =>
    body(
      tree.rebuild(parameters.slice(1)) as unknown as TracedTree<State>,
      parameters[0] as Traced,
    ),
  );
  checkSame("the body returns", next.results, types, [next.tree.structure, tree.structure]);
  const captures = sharedCaptures([next]);
  finish(trace, [next], captures);
  const known = typeof count === "number";
  if (!known) scalar(count, "integer", "the count");
  if (known && !Number.isSafeInteger(count)) {
    throw new GraphError("attribute_invalid", `the count is ${count}`, { expected: "an integer" });
  }
  const operands = known ? [] : [builder.use(count)];
  const attributes = { body: next.builder.index, ...(known ? { count } : {}) };
  return tree.rebuild(
    builder.add("for", [...operands, ...carries, ...captures], attributes, types),
  ) as unknown as TracedTree<State>;
}
