import type { Firing } from "../engine/listen.js";
import type { CallHandler } from "../engine/slots.js";
import { GraphError } from "../graph/error.js";
import type { Attributes } from "../graph/graph.js";
import { namedId, slotId } from "../hooks/ids.js";
import type { TensorType } from "../tensor/dtype.js";
import { currentTrace, type Slot, type TraceContext } from "./builder.js";
import type { OperandLeaf, OperandTree, TracedTree } from "./control.js";
import { toTraced } from "./operand.js";
import { synchronous } from "./promise.js";
import type { Traced } from "./traced.js";
import { flatten, type Tree } from "./tree.js";

/** A function of this process that gets a hook's values. */
export type FiringHandler = (firing: Firing) => unknown;

/** A custom call's id and name: a name is the same everywhere, a function gets a slot of this program. */
function receiver(
  trace: TraceContext,
  to: string | Slot["handler"],
): { id: Uint8Array; name?: string } {
  if (typeof to === "string") return { id: namedId(to), name: to };
  const id = slotId(trace.slots.length);
  trace.slots.push({ id, handler: to });
  return to.name === "" ? { id } : { id, name: to.name };
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
  to: string | FiringHandler,
): TracedTree<Values> {
  return passThrough("hook", values, { ...receiver(currentTrace("hook"), to) });
}

/**
 * Hooks the gradient of a value: returns the value, and whenever the program computes a gradient with respect to it,
 * those who subscribed to the name get that. In a loop gradients come from the last iteration to the first.
 */
export function hookGradient<Values extends OperandTree>(
  values: Values,
  to: string | FiringHandler,
): TracedTree<Values> {
  return passThrough("hook_gradient", values, { ...receiver(currentTrace("hookGradient"), to) });
}

/** How a value is printed. */
export interface PrintOptions {
  /** What stands before it. */
  readonly name?: string;
  /** Significant digits. Default 6. */
  readonly precision?: number;
  /** Elements shown before it is shortened. Default 1,000. */
  readonly limit?: number;
}

/** Prints a value every time the program computes it, to the console; returns it. */
export function print<Values extends OperandTree>(
  values: Values,
  options: PrintOptions | string = {},
): TracedTree<Values> {
  const given: PrintOptions = typeof options === "string" ? { name: options } : options;
  const known = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
  return passThrough("print", values, { id: namedId(given.name ?? "print"), ...known });
}

/**
 * Hands values to a handler and goes on with the tensors that it returns, of the given types. The handler is
 * a function of this process, called at every run, or a name that whoever starts the run binds.
 */
export function call(
  to: string | CallHandler,
  values: OperandTree,
  results: readonly TensorType[],
): Traced[] {
  const trace = currentTrace("call");
  const { builder } = trace;
  const inputs = flatten<OperandLeaf>(values).leaves.map((leaf) =>
    toTraced(builder, leaf, "", undefined),
  );
  return builder.add("custom_call.callback", inputs, { ...receiver(trace, to), results }, results);
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
