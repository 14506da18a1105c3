import { guarded } from "../error.js";
import type { NativeEngine, ValueId } from "../native.js";
import type { Tensor } from "../native-tensor.js";

/** The tensors of a graph that are not in its bytes. */
export interface GraphTensors {
  /** The tensors of its `constant_by_hash` nodes, by the SHA-256 of their bytes in hex. */
  readonly constants?: ReadonlyMap<string, Tensor>;
  /** The tensors of its `external` nodes, by their names. */
  readonly externals?: ReadonlyMap<string, Tensor>;
}

/**
 * Calls a function that loads a program with the native tensors of its constants, by their names. A tensor with a writable view is copied for the
 * program, whose constants never change.
 * @throws DavitError `tensor_freed`, `tensor_foreign`, and what `load` throws
 */
export function withConstants<R>(
  native: NativeEngine,
  tensors: ReadonlyMap<string, Tensor>,
  load: (values: ReadonlyMap<string, ValueId>) => R,
): R {
  const copies: ValueId[] = [];
  const constant = (tensor: Tensor): ValueId => {
    const value = tensor.valueIn(native);
    if (!tensor.changeable) return value;
    const bytes = guarded(() => native.read(value));
    try {
      const copy = guarded(() => native.put(tensor.type, new Uint8Array(bytes)));
      copies.push(copy);
      return copy;
    } finally {
      // It would have the tensor's memory until it is garbage, and no more writable views could be had.
      native.release(bytes);
    }
  };
  try {
    return load(new Map([...tensors].map(([name, tensor]) => [name, constant(tensor)])));
  } finally {
    // The program has those that it was loaded with.
    for (const copy of copies) native.free(copy);
  }
}
