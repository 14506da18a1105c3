import { byteLength, type Dtype, formatType } from "../../tensor/dtype.js";
import { isSize } from "../attributes.js";
import { GraphError, type GraphErrorDetails } from "../error.js";
import type { GraphNode } from "../graph.js";
import type { GraphLimits } from "../limits.js";

/** The rest of the limits that all nodes of a graph share. */
export interface LeafBudget {
  constantBytes: number;
}

/**
 * Checks a value without operands: its shape, its bytes or its hash or name.
 * @throws GraphError `constant_invalid`, `external_invalid`, `limit_exceeded`
 */
export function checkLeaf(
  node: GraphNode,
  limits: GraphLimits,
  budget: LeafBudget,
  details: GraphErrorDetails,
): void {
  const { op, attributes } = node;
  const what = op === "external" ? "an external" : "a constant";
  const code = op === "external" ? "external_invalid" : "constant_invalid";
  const wrong = (message: string, expected: string): never => {
    throw new GraphError(code, message, { ...details, expected });
  };
  const shape = (attributes.shape as readonly (number | bigint)[]).map(Number);
  if (shape.some((size) => !isSize(size)))
    wrong(`${what} has the shape [${shape.join(", ")}]`, "sizes from 0");
  if (shape.length > limits.rank) {
    wrong(`${what} has ${shape.length} dimensions`, `at most ${limits.rank}`);
  }
  if (op === "constant") {
    const type = { dtype: attributes.dtype as Dtype, shape };
    checkData(attributes.data as Uint8Array, type, wrong);
    budget.constantBytes -= byteLength(type);
    if (budget.constantBytes >= 0) return;
    throw new GraphError("limit_exceeded", "the inline constants are too large", {
      ...details,
      expected: `at most ${limits.constantBytes} bytes in all; use constant_by_hash for larger ones`,
    });
  }
  if (op === "external") {
    if (attributes.name === "") wrong("an external has an empty name", "a name");
    return;
  }
  const { length } = attributes.hash as Uint8Array;
  if (length !== 32) wrong(`a hash has ${length} bytes`, "32");
}

function checkData(
  data: Uint8Array,
  type: { readonly dtype: Dtype; readonly shape: readonly number[] },
  wrong: (message: string, expected: string) => never,
): void {
  if (data.length !== byteLength(type)) {
    wrong(`a constant ${formatType(type)} has ${data.length} bytes`, `${byteLength(type)}`);
  }
  if (type.dtype === "bool" && data.some((byte) => byte > 1)) {
    wrong("a constant of bool has a byte other than 0 and 1", "0 or 1 for each element");
  }
}
