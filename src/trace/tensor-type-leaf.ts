import { isTensorType } from "../graph/attributes.js";
import { GraphError } from "../graph/error.js";
import { show } from "../show.js";
import { EXPECTED_DTYPE, type TensorType } from "../tensor/dtype.js";

/** A leaf of an argument: a type, wrapped so that it is not taken for a part of the tree. */
export class TensorTypeLeaf {
  constructor(readonly type: TensorType) {}
}

/**
 * An argument of a type.
 * @throws GraphError `type_invalid`
 */
export function ofType(type: TensorType): TensorTypeLeaf {
  if (!isTensorType(type)) {
    throw new GraphError("type_invalid", `the type of an argument is ${show(type)}`, {
      expected: `{ dtype, shape }, the dtype ${EXPECTED_DTYPE}, the shape a list of sizes`,
    });
  }
  return new TensorTypeLeaf(type);
}
