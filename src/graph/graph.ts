import type { TensorType } from "../tensor/dtype.js";

/**
 * The graph that Davit runs: functions of nodes in static single assignment form.
 *
 * A function's values are numbered: its parameters first (0, 1, …), then the outputs of its nodes in
 * order. A node refers only to values before it, so a graph has no cycles. Function 0 is the program;
 * a function refers only to functions after it, so there is no recursion.
 */
export interface Graph {
  /** Its functions; the first one is the entry. */
  readonly functions: readonly GraphFunction[];
}

/** One function. It sees its parameters and nothing else. */
export interface GraphFunction {
  /** Its name, for messages and printers. */
  readonly name: string;
  /** The types of its parameters. */
  readonly parameters: readonly TensorType[];
  /** The names of the parameters, one for each; absent where they have no names. */
  readonly parameterNames?: readonly string[] | undefined;
  /** Its nodes, each after those that it uses. */
  readonly nodes: readonly GraphNode[];
  /** The values it returns, by number. */
  readonly results: readonly number[];
}

/** One operation. */
export interface GraphNode {
  /** A name of the op table, or one of the structural ops: `constant`, `call`, `cond`, `while`, ... */
  readonly op: string;
  /** The operands, by value number; -1 where an optional operand is absent. */
  readonly inputs: readonly number[];
  /** Its static arguments. */
  readonly attributes: Attributes;
  /** The number of its output values. */
  readonly outputs: number;
  /** A source name or layer path, such as `encoder.3.attention`; shown by errors, hooks and printers. */
  readonly label?: string;
}

/** A node's static arguments. The op's row of the table has the kinds of their values. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** One static argument. Integers beyond 2^53 are bigints; bytes are raw. */
export type Attribute =
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly (number | bigint)[]
  | readonly string[]
  | readonly TensorType[];
