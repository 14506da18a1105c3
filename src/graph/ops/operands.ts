import { elementCount, formatType, isIntegral, type TensorType } from "../../tensor/dtype.js";
import { checkRange, input, ints, MAX_SIZE, refuse } from "./guards.js";
import type { OpCall } from "./spec.js";

/** The type of an operand, or nothing where it is absent. */
export function optional(call: OpCall, index: number): TensorType | undefined {
  return call.inputs[index] ?? undefined;
}

/** Refuses an operand that is no integer: indices, starts, offsets. */
export function checkIntegers(call: OpCall, index: number, name: string): TensorType {
  const type = input(call, index);
  if (!isIntegral(type.dtype)) {
    refuse(call, "dtype_unsupported", `${name} are ${type.dtype}`, "integers");
  }
  return type;
}

/** The shape that shapes broadcast to. */
export function broadcast(call: OpCall, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes
      .map((shape) => shape[shape.length - rank + axis] ?? 1)
      .filter((size) => size !== 1);
    if (new Set(sizes).size > 1) {
      const shown = shapes.map((shape) => `[${shape.join(", ")}]`).join(" and ");
      refuse(call, "shape_invalid", `${shown} do not broadcast`, "equal sizes, or 1");
    }
    return sizes[0] ?? 1;
  });
}

/** Refuses a tensor with more elements than MLX counts along one axis. */
export function checkFlat(call: OpCall, type: TensorType): void {
  checkRange(call, "the number of elements", elementCount(type.shape), 0, MAX_SIZE);
}

/** Refuses an operand with another shape than what the others ask for. */
export function checkShapeIs(
  call: OpCall,
  name: string,
  type: TensorType,
  shape: readonly number[],
): void {
  if (
    type.shape.length === shape.length &&
    type.shape.every((size, axis) => size === shape[axis])
  ) {
    return;
  }
  refuse(call, "shape_invalid", `${name} is ${formatType(type)}`, `shape [${shape.join(", ")}]`);
}

/** Refuses indices of matrices where the batch that they point into holds none. */
export function checkBatchIndices(
  call: OpCall,
  index: number,
  name: string,
  batch: TensorType,
): void {
  if (optional(call, index) === undefined) return;
  const indices = checkIntegers(call, index, name);
  if (elementCount(indices.shape) > 0 && elementCount(batch.shape.slice(0, -2)) === 0) {
    refuse(call, "shape_invalid", `${name} point into ${formatType(batch)}`, "a matrix or more");
  }
}

/** A list attribute; refuses one of another length. */
export function checkLength(call: OpCall, name: string, length: number): readonly number[] {
  const list = ints(call, name);
  if (list.length !== length) {
    refuse(call, "attribute_invalid", `${name} has ${list.length} numbers`, `${length}`);
  }
  return list;
}

/** Refuses sizes of a part that do not fit a tensor. */
export function checkSizes(call: OpCall, name: string, type: TensorType): void {
  for (const [axis, size] of checkLength(call, name, type.shape.length).entries()) {
    checkRange(call, `size ${axis} of ${name}`, size, 0, type.shape[axis] as number);
  }
}
