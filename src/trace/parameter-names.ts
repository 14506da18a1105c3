import { checkParameterNames } from "../graph/checking/parameter-names.js";
import { GraphError } from "../graph/error.js";
import type { TensorTypeLeaf } from "./tensor-type-leaf.js";
import type { Flat } from "./tree.js";

/**
 * Returns the names that the keys of object arguments are for the parameters of a program: the keys that lead to each, such as `x` or `layers.0.w`.
 * There are none where an argument is not an object, so has no name, or where two would be called the same.
 */
export function namesOfKeys(args: readonly Flat<TensorTypeLeaf>[]): string[] | undefined {
  const paths = args.flatMap((arg) => arg.paths());
  if (paths.length === 0 || paths.some(([key]) => typeof key !== "string")) return undefined;
  const parameterNames = paths.map((path) => path.join("."));
  try {
    checkParameterNames({ parameters: args.flatMap(typesOf), parameterNames });
  } catch (error) {
    if (error instanceof GraphError) return undefined;
    throw error;
  }
  return parameterNames;
}

/**
 * The names of a program's parameters from names of its arguments: `x` for a tensor, `layers.0.w` for one inside.
 * @throws GraphError `graph_invalid` or `limit_exceeded`
 */
export function namesOfArguments(
  args: readonly Flat<TensorTypeLeaf>[],
  names: readonly string[],
): string[] {
  if (names.length !== args.length || names.includes("")) {
    const given = `[${names.map((name) => JSON.stringify(name)).join(", ")}]`;
    throw new GraphError("graph_invalid", `the names of the arguments are ${given}`, {
      expected: `one for each of ${args.length} arguments, none empty`,
    });
  }
  const parameterNames = args.flatMap((arg, index) =>
    arg.paths().map((path) => [names[index], ...path].join(".")),
  );
  checkParameterNames({ parameters: args.flatMap(typesOf), parameterNames });
  return parameterNames;
}

const typesOf = ({ leaves }: Flat<TensorTypeLeaf>) => leaves.map(({ type }) => type);
