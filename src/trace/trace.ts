import type { Graph } from "../graph/graph.js";
import type { Tensor } from "../native-tensor.js";
import { type Slot, TraceContext } from "./builder.js";
import type { OperandLeaf, OperandTree } from "./control.js";
import { toTraced } from "./operand.js";
import { namesOfKeys } from "./parameter-names.js";
import { synchronous } from "./promise.js";
import type { TensorTypeLeaf } from "./tensor-type-leaf.js";
import type { Traced } from "./traced.js";
import { type Flat, flatten, type Tree } from "./tree.js";

/** A function that was traced. */
export interface TraceResult {
  /** The graph of the function. */
  readonly graph: Graph;
  /** Tensors that the function used, by the names of the graph's externals that stand for them. */
  readonly captures: ReadonlyMap<string, Tensor>;
  /** Functions that hooks and callbacks of the graph are bound to. @internal */
  readonly slots: readonly Slot[];
  /** How the graph's parameters make up each argument. */
  readonly args: readonly Flat<TensorTypeLeaf>[];
  /** How the graph's results make up what the function returned. */
  readonly results: Flat<OperandLeaf>;
}

/**
 * Runs a function once on values that stand for tensors of given types, and records what it does as a graph.
 * `types` holds trees of types, one for each argument. If all of them are objects, their keys name the graph's parameters.
 * @throws GraphError `function_async` for an async function; else one that names the op, its label and its operands' types, from the line that called it.
 */
export function trace<Args extends readonly Tree<Traced>[]>(
  fn: (...args: Args) => OperandTree,
  types: readonly Tree<TensorTypeLeaf>[],
  name = fn.name === "" ? "main" : fn.name,
): TraceResult {
  const context = new TraceContext();
  context.name = name;
  const outer = TraceContext.current;
  TraceContext.current = context;
  try {
    const builder = context.begin(name);
    return context.inside(builder, () => {
      const args = types.map((tree) => flatten<TensorTypeLeaf>(tree));
      const parameters = args.map((flat) =>
        flat.rebuild(flat.leaves.map(({ type }) => builder.parameter(type))),
      );
      const results = flatten<OperandLeaf>(
        synchronous(name, fn(...(parameters as unknown as Args))),
      );
      const traced = results.leaves.map((leaf) => toTraced(builder, leaf, "", undefined));
      const parameterNames = namesOfKeys(args);
      const entry = builder.finish(traced);
      context.functions.set(
        builder.index,
        parameterNames === undefined ? entry : { ...entry, parameterNames },
      );
      const { captures, slots } = context;
      return { graph: context.graph(), captures, slots, args, results };
    });
  } finally {
    TraceContext.current = outer;
  }
}
