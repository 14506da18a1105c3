import { isText } from "../attributes.js";
import { GraphError, type GraphErrorDetails } from "../error.js";
import type { GraphFunction } from "../graph.js";
import { DEFAULT_LIMITS, type GraphLimits } from "../limits.js";
import { quote } from "../showing/describe.js";

/**
 * Checks the names of a function's parameters, where it has any: one for each, none empty, none twice.
 * @throws GraphError `graph_invalid` or `limit_exceeded`
 */
export function checkParameterNames(
  { parameters, parameterNames: names }: Pick<GraphFunction, "parameters" | "parameterNames">,
  limits: GraphLimits = DEFAULT_LIMITS,
  details: GraphErrorDetails = {},
): void {
  if (names === undefined) return;
  const wrong: (message: string, expected: string) => never = (message, expected) => {
    throw new GraphError("graph_invalid", message, { ...details, expected });
  };
  if (names.length !== parameters.length) {
    const expected = `one for each of ${parameters.length} parameters, or no list`;
    wrong(`there are ${names.length} names of parameters`, expected);
  }
  const numbers = new Map<string, number>();
  for (const [number, name] of names.entries()) {
    if (!isText(name)) wrong(`the name of parameter ${number} is no text`, "well-formed text");
    if (name === "") wrong(`the name of parameter ${number} is empty`, "at least one character");
    const bytes = Buffer.byteLength(name);
    if (bytes > limits.textBytes) {
      throw new GraphError("limit_exceeded", `the name of parameter ${number} has ${bytes} bytes`, {
        ...details,
        expected: `at most ${limits.textBytes}`,
      });
    }
    const other = numbers.get(name);
    if (other !== undefined) {
      wrong(`parameters ${other} and ${number} are both named ${quote(name)}`, "different names");
    }
    numbers.set(name, number);
  }
}
