import type { TensorType } from "../../src/tensor/dtype.js";
import type { Body, Ref } from "./recipe.js";

/** The type of a value of a body. */
export function typeOf(
  { parameters, nodes }: Pick<Body, "parameters" | "nodes">,
  ref: Ref,
): TensorType {
  const type = "parameter" in ref ? parameters[ref.parameter] : nodes[ref.node]?.types[ref.output];
  if (type === undefined) throw new Error(`a body has no value ${JSON.stringify(ref)}`);
  return type;
}

/** The number of a value in the function that the body becomes. */
export function numbering({
  parameters,
  nodes,
}: Pick<Body, "parameters" | "nodes">): (ref: Ref) => number {
  let next = parameters.length;
  const first = nodes.map(({ types }) => {
    next += types.length;
    return next - types.length;
  });
  return (ref) => ("parameter" in ref ? ref.parameter : (first[ref.node] as number) + ref.output);
}
