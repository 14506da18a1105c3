import type { TensorType } from "../tensor/dtype.js";

/** A leaf of an argument: a type, wrapped so that it is not taken for a part of the tree. */
export class TensorTypeLeaf {
  constructor(readonly type: TensorType) {}
}

/** An argument of a type. */
export function ofType(type: TensorType): TensorTypeLeaf {
  return new TensorTypeLeaf(type);
}
