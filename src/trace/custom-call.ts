import { GraphError } from "../graph/error.js";
import type { Attributes } from "../graph/graph.js";
import type { EventHandler } from "../hooks/event.js";
import { namedId, slotId } from "../hooks/ids.js";
import type { Tensor } from "../native-tensor.js";
import type { TensorType } from "../tensor/dtype.js";
import type { TensorLike } from "../tensor/values.js";
import { currentTrace, type Slot, type TraceContext } from "./builder.js";
import type { OperandLeaf, OperandTree, TracedTree } from "./control.js";
import { toTraced } from "./operand.js";
import { synchronous } from "./promise.js";
import type { Traced } from "./traced.js";
import { flatten, type Tree } from "./tree.js";

/**
 * A function that a `callback` of a program hands values to; its return value flows on: a list of results, or the only one
 * bare. Its return value is ignored where the callback has no results.
 */
export type Callback = (...values: Tensor[]) => CallbackResults | Promise<CallbackResults>;

/** The return value of a callback. */
export type CallbackResults = CallbackResult | readonly CallbackResult[] | undefined;

/** A tensor, or what one of the declared type can be made of. */
export type CallbackResult = Tensor | TensorLike;

/** Returns a custom call's id and name: a name is the same everywhere, a function gets a slot of this program. */
function identify(
  trace: TraceContext,
  target: string | Slot["handler"],
): { id: Uint8Array; name?: string } {
  if (typeof target === "string") return { id: namedId(target), name: target };
  const id = slotId(trace.slots.length);
  trace.slots.push({ id, handler: target });
  return target.name === "" ? { id } : { id, name: target.name };
}

function passThrough<Values extends OperandTree>(
  kind: "hook" | "hook_gradient" | "print",
  values: Values,
  attributes: Record<string, unknown>,
): TracedTree<Values> {
  const { builder } = currentTrace(kind);
  const tree = flatten<OperandLeaf>(values);
  const inputs = tree.leaves.map((leaf) => toTraced(builder, leaf, "", undefined));
  const types = inputs.map((input) => input.type);
  const outputs = builder.add(`custom_call.${kind}`, inputs, attributes as Attributes, types);
  return tree.rebuild(outputs) as unknown as TracedTree<Values>;
}

/**
 * Hooks a value, or a container of values: returns it, and every time the program computes it, those who
 * subscribed to the name get it. Nobody listening: it costs nothing. Given a function instead of a name, the
 * function is called at every run.
 */
export function hook<Values extends OperandTree>(
  values: Values,
  target: string | EventHandler,
): TracedTree<Values> {
  return passThrough("hook", values, { ...identify(currentTrace("hook"), target) });
}

/**
 * Hooks the gradient of a value: returns the value, and whenever the program computes a gradient with respect to it,
 * those who subscribed to the name get that. In a loop gradients come from the last iteration to the first.
 */
export function hookGradient<Values extends OperandTree>(
  values: Values,
  target: string | EventHandler,
): TracedTree<Values> {
  return passThrough("hook_gradient", values, {
    ...identify(currentTrace("hookGradient"), target),
  });
}

/** Options of {@link print}. */
export interface PrintOptions {
  /** Significant digits. Default 6. */
  readonly precision?: number;
  /** Elements shown before it is shortened. Default 1,000. */
  readonly limit?: number;
}

/** Prints a value to the console every time the program computes it, with a label before it. Returns the value. */
export function print<Values extends OperandTree>(
  values: Values,
  label?: string,
  { precision, limit }: PrintOptions = {},
): TracedTree<Values> {
  return passThrough("print", values, {
    id: namedId(label ?? "print"),
    ...(label === undefined ? {} : { name: label }),
    ...(precision === undefined ? {} : { precision }),
    ...(limit === undefined ? {} : { limit }),
  });
}

/**
 * Calls a function of this process with the values, and returns the tensors of the given types that it returns. The
 * target is the function, or a name that is bound where the run is started ({@link Engine.handle}).
 */
export function callback(
  values: OperandTree,
  target: string | Callback,
  types: readonly TensorType[],
): Traced[] {
  const trace = currentTrace("callback");
  const { builder } = trace;
  const inputs = flatten<OperandLeaf>(values).leaves.map((leaf) =>
    toTraced(builder, leaf, "", undefined),
  );
  const attributes = { ...identify(trace, target), results: types };
  return builder.add("custom_call.callback", inputs, attributes, types);
}

/**
 * Names a part of a program: what it returns is labelled with the path of the scopes it is in (`encoder.0`), the
 * ops inside with that path and their own name (`encoder.0.matmul`). Errors, hooks, probes and printers
 * show it.
 */
export function label<Result extends Tree<Traced>>(name: string, part: () => Result): Result {
  const trace = currentTrace("label");
  if (name === "") {
    throw new GraphError("label_invalid", "a label is empty", { expected: "a name" });
  }
  return trace.scoped(name, (path) => {
    const result = synchronous(path, part());
    for (const value of flatten<Traced>(result).leaves) trace.builder.labelMaker(value, path);
    return result;
  });
}
