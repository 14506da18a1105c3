import type { Graph } from "../graph/graph.js";
import { quote, shown } from "../graph/showing/describe.js";
import { listNames } from "../show.js";
import type { TensorType } from "../tensor/dtype.js";
import { UsageError } from "./command.js";

/** A parameter of a program. */
export interface Parameter {
  /** Its number. */
  readonly index: number;
  /** Its name, where it has one. */
  readonly name?: string | undefined;
  /** Its type. */
  readonly type: TensorType;
  /** Whether its sizes are free, and those of the type an example. */
  readonly anySizes?: boolean;
}

/** The parameters of a valid graph's program. */
export function parametersOf(graph: Graph): Parameter[] {
  const entry = graph.functions[0];
  if (entry === undefined) throw new UsageError("the graph has no functions");
  return entry.parameters.map((type, index) => ({
    index,
    name: entry.parameterNames?.[index],
    type,
  }));
}

/** The parameter that is called so, or else the one of that number: `2` or `%2`. */
export function findParameter(text: string, parameters: readonly Parameter[]): Parameter {
  const found = lookUp(text, parameters);
  if (found === undefined) {
    throw new UsageError(`there is no parameter ${quote(text)}: ${known(text, parameters)}`);
  }
  return found;
}

/** As {@link findParameter}; undefined where there is none. */
export function lookUp(text: string, parameters: readonly Parameter[]): Parameter | undefined {
  const number = /^%?(\d+)$/.exec(text)?.[1];
  return (
    parameters.find(({ name }) => name === text) ??
    (number === undefined ? undefined : parameters[Number(number)])
  );
}

/** A parameter in a message. */
export function parameterText({ index, name }: Parameter): string {
  return name === undefined ? `parameter ${index}` : `parameter ${index} ${quote(name)}`;
}

function known(text: string, parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return "the graph has none";
  const names = parameters.flatMap(({ name }) => name ?? []);
  if (names.length === 0) {
    return `the graph has 0 to ${parameters.length - 1}, and they have no names`;
  }
  return `the graph has ${listNames(names, text, shown)}`;
}
