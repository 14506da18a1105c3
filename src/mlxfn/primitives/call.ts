import type { Attributes } from "../../graph/graph.js";
import type { TensorType } from "../../tensor/dtype.js";
import type { State } from "../state.js";

/** A primitive of a trace on its way into a graph. */
export interface Call {
  readonly state: State;
  /** Its operands: values of the graph. */
  readonly inputs: readonly number[];
  readonly inputTypes: readonly TensorType[];
  /** The types of its results as the file has them; where sizes are free, with the sizes of the trace. */
  readonly outputTypes: readonly TensorType[];
  /** Whether nodes are not to have the sizes of the trace: what has to be known of them is in the state. */
  readonly anySizes: boolean;
  /** Adds a node to the graph. Returns its values. */
  add(op: string, inputs: readonly number[], attributes?: Attributes, outputs?: number): number[];
  /**
   * Adds the gradients of an op with one result. Returns those by the first `count` of the operands that are not absent, for a
   * cotangent of the result.
   */
  gradients(
    op: string,
    operands: readonly number[],
    attributes: Attributes,
    count: number,
    cotangent: number,
  ): number[];
}

/** An operand that is absent. */
export const ABSENT = -1;

/** Adds the nodes for a primitive. Returns the values for its outputs; undefined where the graph has no op for it. */
export type Lowering = (call: Call) => readonly number[] | undefined;

/** Primitives and what they become. */
export type Lowerings = Readonly<Record<string, Lowering>>;

/** The lowering of a primitive to an op that takes the same operands; `attributes` makes those of the op from the call. */
export function to(op: string, attributes: (call: Call) => Attributes = () => ({})): Lowering {
  return (call) => call.add(op, call.inputs, { ...attributes(call) }, call.outputTypes.length);
}

/** As {@link to}, for a primitive whose state has, under a name, a number for one of several ops. */
export function toOneOf(
  ops: readonly string[],
  name: string,
  attributes: (call: Call) => Attributes = () => ({}),
  operands: (inputs: readonly number[]) => readonly number[] = (inputs) => inputs,
): Lowering {
  return (call) => {
    const op = ops[call.state[name] as number];
    return op === undefined ? undefined : call.add(op, operands(call.inputs), attributes(call));
  };
}
