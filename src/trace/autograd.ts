import { jvpNode, vjpNode } from "../autograd/autograd.js";
import { differentiable } from "../autograd/derivative-parts.js";
import { isDifferentiable } from "../graph/checking/control-flow.js";
import { GraphError } from "../graph/error.js";
import { dtypeKind, formatType, type TensorType } from "../tensor/dtype.js";
import { currentTrace, type FunctionBuilder, type TraceContext } from "./builder.js";
import {
  checkSame,
  finish,
  type OperandLeaf,
  type OperandTree,
  type SubFunction,
  sharedCaptures,
  subFunction,
  type TracedTree,
} from "./control.js";
import { toTraced } from "./operand.js";
import type { Traced } from "./traced.js";
import { type Flat, flatten } from "./tree.js";

/** Which arguments to differentiate by: one, or several. Default the first. */
export interface GradOptions<N extends number | readonly number[]> {
  /** The number of an argument, from 0, or a list of them. */
  readonly argnums?: N;
}

/** The arguments of a function that takes traced values: these, tensors and constants, in the same trees. */
export type OperandsFor<T> = OperandTree extends T
  ? OperandTree
  : T extends OperandLeaf
    ? OperandLeaf
    : { readonly [K in keyof T]: OperandsFor<T[K]> };

/** A gradient for one argument, or a list for several. */
export type Gradients<Args extends readonly unknown[], N> = N extends number
  ? TracedTree<Args[N]>
  : { -readonly [K in keyof N]: N[K] extends number ? TracedTree<Args[N[K]]> : never };

/**
 * Returns the function that computes the gradient of `fn`, as `mx.grad` does: `fn` returns a real floating scalar, or a list
 * that begins with one. The gradient has the structure of the argument; its leaves have to be floating or
 * complex. It goes through branches (only the one taken) and loops with a count, and may itself be
 * differentiated.
 * @throws GraphError `derivative_unsupported`
 */
export function grad<
  Args extends readonly unknown[],
  const N extends number | readonly number[] = 0,
>(
  fn: (...args: Args) => OperandTree,
  options: GradOptions<N> = {},
): (...args: OperandsFor<Args>) => Gradients<Args, N> {
  return ((...args: OperandTree[]) => differentiate(fn as never, options, args)[1]) as never;
}

/** As {@link grad}; the function returns the result of `fn`, then the gradient. */
export function valueAndGrad<
  Args extends readonly unknown[],
  Result extends OperandTree,
  const N extends number | readonly number[] = 0,
>(
  fn: (...args: Args) => Result,
  options: GradOptions<N> = {},
): (...args: OperandsFor<Args>) => [value: TracedTree<Result>, gradient: Gradients<Args, N>] {
  return ((...args: OperandTree[]) => differentiate(fn as never, options, args)) as never;
}

/** A function whose arguments' types are known to the caller only. */
type Untyped = (...args: never[]) => OperandTree;

function differentiate(
  fn: Untyped,
  { argnums = 0 }: GradOptions<number | readonly number[]>,
  args: readonly OperandTree[],
): [value: unknown, gradient: unknown] {
  const numbers = typeof argnums === "number" ? [argnums] : argnums;
  const call = traceFunction("grad", fn, args);
  checkArgnums(numbers, call.args.length);
  checkArguments(call, numbers);
  const wrt = numbers.flatMap((number) => call.positions[number] as number[]);
  const one = call.builder.constant(1, lossOf(call.inner));
  const { results, gradients } = reverse(call, [0], wrt, [one]);
  let next = 0;
  const trees = numbers.map((number) => {
    const flat = call.args[number] as Flat<OperandLeaf>;
    next += flat.leaves.length;
    return flat.rebuild(gradients.slice(next - flat.leaves.length, next));
  });
  return [call.inner.tree.rebuild(results), typeof argnums === "number" ? trees[0] : trees];
}

/**
 * Returns the result of `fn` for the primals (a list of arguments), and the products of `cotangents` (a tree like the result)
 * with its Jacobian: a list of gradients, one for each argument. Those of integers are zeros.
 * @throws GraphError `derivative_unsupported`, or `type_mismatched` where cotangents do not fit
 */
export function vjp<Args extends readonly unknown[], Result extends OperandTree>(
  fn: (...args: Args) => Result,
  primals: OperandsFor<Args>,
  cotangents: OperandTree,
): [outputs: TracedTree<Result>, gradients: { -readonly [K in keyof Args]: TracedTree<Args[K]> }] {
  const call = traceFunction("vjp", fn as never, primals as readonly OperandTree[]);
  const { builder, inner } = call;
  const types = inner.results.map(({ type }) => type);
  const outs = differentiable(types);
  const given = directions(builder, "the cotangents are", cotangents, inner.tree.structure, types);
  const wrt = differentiable(call.operands.slice(0, call.leaves).map(({ type }) => type));
  const { results, gradients } = reverse(
    call,
    outs,
    wrt,
    outs.map((out) => given[out] as Traced),
  );
  const all = call.operands.slice(0, call.leaves).map((operand, index) => {
    const at = wrt.indexOf(index);
    return at < 0 ? zeros(builder, operand.type) : (gradients[at] as Traced);
  });
  return [
    inner.tree.rebuild(results),
    flatten<OperandLeaf>(primals as OperandTree).rebuild(all),
  ] as never;
}

/**
 * Returns the result of `fn` for the primals (a list of arguments), and its change along `tangents` (a list like that of
 * the primals): a tree like the result. Tangents of integers are ignored, and zeros in the result.
 * @throws GraphError `derivative_unsupported`, or `type_mismatched` where tangents do not fit
 */
export function jvp<Args extends readonly unknown[], Result extends OperandTree>(
  fn: (...args: Args) => Result,
  primals: OperandsFor<Args>,
  tangents: readonly OperandTree[],
): [outputs: TracedTree<Result>, tangents: TracedTree<Result>] {
  const call = traceFunction("jvp", fn as never, primals as readonly OperandTree[]);
  const { builder, inner, trace } = call;
  const arguments_ = call.operands.slice(0, call.leaves).map(({ type }) => type);
  const { structure } = flatten<OperandLeaf>(primals as OperandTree);
  const given = directions(builder, "the tangents are", tangents, structure, arguments_);
  const wrt = differentiable(arguments_);
  const types = inner.results.map(({ type }) => type);
  const moving = differentiable(types);
  const { op, attributes } = jvpNode(trace.functions, inner.builder.index, wrt);
  const outputs = builder.add(
    op,
    [...call.operands, ...wrt.map((index) => given[index] as Traced)],
    attributes,
    [...types, ...moving.map((out) => types[out] as TensorType)],
  );
  const changes = types.map((type, index) => {
    const at = moving.indexOf(index);
    return at < 0 ? zeros(builder, type) : (outputs[types.length + at] as Traced);
  });
  const { tree } = inner;
  return [tree.rebuild(outputs.slice(0, types.length)), tree.rebuild(changes)] as never;
}

/** A function traced on arguments, to be differentiated. */
interface TracedCall {
  readonly trace: TraceContext;
  readonly builder: FunctionBuilder;
  readonly inner: SubFunction;
  readonly args: readonly Flat<OperandLeaf>[];
  /** The numbers of each argument's leaves among the operands. */
  readonly positions: readonly (readonly number[])[];
  /** Arguments, then what the function uses of the one around it. */
  readonly operands: readonly Traced[];
  /** How many of the operands are arguments. */
  readonly leaves: number;
}

function traceFunction(what: string, fn: Untyped, args: readonly OperandTree[]): TracedCall {
  const trace = currentTrace(what);
  const { builder } = trace;
  const flats = args.map((arg) => flatten<OperandLeaf>(arg));
  const operands = flats.flatMap(({ leaves }) =>
    leaves.map((leaf) => toTraced(builder, leaf, "", undefined)),
  );
  let next = 0;
  const positions = flats.map(({ leaves }) => leaves.map(() => next++));
  const types = operands.map(({ type }) => type);
  const name = `${builder.name}.${fn.name === "" ? what : fn.name}`;
  const inner = subFunction(trace, name, types, (parameters) => {
    const trees = flats.map((flat, number) =>
      flat.rebuild((positions[number] as number[]).map((index) => parameters[index] as Traced)),
    );
    return fn(...(trees as never[]));
  });
  const captures = sharedCaptures([inner]);
  finish(trace, [inner], captures);
  return {
    trace,
    builder,
    inner,
    args: flats,
    positions,
    operands: [...operands, ...captures],
    leaves: operands.length,
  };
}

function reverse(
  { trace, builder, inner, operands }: TracedCall,
  outs: readonly number[],
  wrt: readonly number[],
  cotangents: readonly Traced[],
): { results: Traced[]; gradients: Traced[] } {
  const types = inner.results.map(({ type }) => type);
  const { op, attributes } = vjpNode(trace.functions, inner.builder.index, outs, wrt);
  const outputs = builder.add(op, [...operands, ...cotangents], attributes, [
    ...types,
    ...wrt.map((index) => (operands[index] as Traced).type),
  ]);
  return { results: outputs.slice(0, types.length), gradients: outputs.slice(types.length) };
}

/** Cotangents or tangents for values of given types; those of values without derivatives are not looked at. */
function directions(
  builder: FunctionBuilder,
  what: string,
  given: OperandTree,
  structure: string,
  types: readonly TensorType[],
): Traced[] {
  const tree = flatten<OperandLeaf>(given);
  const values = tree.leaves.map((leaf, index) => toTraced(builder, leaf, "", types[index]?.dtype));
  const wanted = types.map((type, index) =>
    isDifferentiable(type) ? type : (values[index]?.type ?? type),
  );
  checkSame(what, values, wanted, [tree.structure, structure]);
  return values;
}

function zeros(builder: FunctionBuilder, { dtype, shape }: TensorType): Traced {
  return builder.call("zeros", [], { dtype, shape })[0] as Traced;
}

function checkArgnums(numbers: readonly number[], count: number): void {
  if (numbers.every((n, at) => n >= 0 && n < count && numbers.indexOf(n) === at)) return;
  throw new GraphError("attribute_invalid", `argnums is [${numbers.join(", ")}]`, {
    op: "grad",
    expected: `different numbers below ${count}, the number of arguments`,
  });
}

function checkArguments(call: TracedCall, numbers: readonly number[]): void {
  for (const number of numbers) {
    for (const position of call.positions[number] as readonly number[]) {
      const { type } = call.operands[position] as Traced;
      if (isDifferentiable(type)) continue;
      throw new GraphError(
        "derivative_unsupported",
        `argument ${number} holds ${formatType(type)}`,
        {
          op: "grad",
          expected: "floating or complex tensors; give others as arguments that are not in argnums",
        },
      );
    }
  }
}

/** The type of the value that is differentiated. */
function lossOf({ tree, results }: SubFunction): TensorType {
  const [loss] = results;
  const leads = /^(\*|\[\*.*)$/s.test(tree.structure);
  if (leads && loss?.ndim === 0 && dtypeKind(loss.dtype) === "float") return loss.type;
  const given = leads && loss !== undefined ? formatType(loss.type) : "no value first";
  throw new GraphError("derivative_unsupported", `the function returns ${given}`, {
    op: "grad",
    expected: "a real floating scalar, or a list that begins with one",
  });
}
