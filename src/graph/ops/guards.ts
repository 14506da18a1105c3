import type { ErrorCode } from "../../contract/errors.js";
import {
  elementCount,
  formatType,
  itemBytes,
  MAX_SIZE,
  type TensorType,
} from "../../tensor/dtype.js";
import { GraphError } from "../error.js";
import type { Attribute } from "../graph.js";
import type { OpCall } from "./op-call.js";

export { MAX_SIZE };

/** Refuses a call. `expected` follows the message; where the call is comes from the call itself. */
export function refuse(call: OpCall, code: ErrorCode, message: string, expected?: string): never {
  throw new GraphError(code, message, { op: call.op, inputs: call.inputs, expected });
}

/** The type of an operand that is there. */
export function input(call: OpCall, index: number): TensorType {
  const type = call.inputs[index];
  if (type === null || type === undefined) {
    return refuse(call, "arity_invalid", `operand ${index} is absent`, "a tensor");
  }
  return type;
}

/** Tells whether an attribute has a value: it was given, or has a default. */
export function has(call: OpCall, name: string): boolean {
  return call.attributes[name] !== undefined;
}

/** An integer attribute, which has a value. */
export function int(call: OpCall, name: string): number {
  return Number(attribute(call, name) as number | bigint);
}

/** A list of integers, which has a value. */
export function ints(call: OpCall, name: string): readonly number[] {
  return (attribute(call, name) as readonly (number | bigint)[]).map(Number);
}

function attribute(call: OpCall, name: string): Attribute {
  const value = call.attributes[name];
  if (value !== undefined) return value;
  throw new GraphError("attribute_missing", `attribute "${name}" is missing`, { op: call.op });
}

/** Refuses an integer outside a range. */
export function checkRange(
  call: OpCall,
  name: string,
  value: number,
  least: number,
  most: number,
): number {
  if (value >= least && value <= most) return value;
  const expected = most >= MAX_SIZE ? `${least} or more` : `${least} to ${most}`;
  return refuse(
    call,
    value > MAX_SIZE ? "value_too_large" : "attribute_invalid",
    `${name} is ${value}`,
    value > MAX_SIZE ? `at most ${MAX_SIZE}` : expected,
  );
}

/** An axis counted from 0; refuses one that a tensor of this rank does not have. */
export function checkAxis(call: OpCall, name: string, value: number, rank: number): number {
  if (Number.isInteger(value) && value >= -rank && value < rank) {
    return value < 0 ? value + rank : value;
  }
  const expected = rank === 0 ? "a tensor of rank 1 or more" : `${-rank} to ${rank - 1}`;
  return refuse(call, "axis_invalid", `${name} is ${value} for a tensor of rank ${rank}`, expected);
}

/** Distinct axes counted from 0; every axis where the attribute is absent. */
export function checkAxes(call: OpCall, name: string, rank: number): number[] {
  if (!has(call, name)) return Array.from({ length: rank }, (_, axis) => axis);
  const axes = ints(call, name).map((axis) => checkAxis(call, name, axis, rank));
  if (new Set(axes).size !== axes.length) {
    refuse(call, "axis_invalid", `${name} [${ints(call, name)}] names an axis twice`);
  }
  return axes;
}

/** Refuses a shape with a size that MLX cannot hold, or with more bytes than it can count. */
export function checkShape(
  call: OpCall,
  name: string,
  shape: readonly number[],
  dtype: TensorType["dtype"] = "complex64",
): void {
  for (const size of shape) checkRange(call, `a size of ${name}`, size, 0, MAX_SIZE);
  if (elementCount(shape) * itemBytes(dtype) > Number.MAX_SAFE_INTEGER) {
    refuse(call, "value_too_large", `${name} is [${shape.join(", ")}]`, "fewer than 2^53 bytes");
  }
}

/** Refuses a tensor with too few dimensions. */
export function checkRank(call: OpCall, type: TensorType, least: number): void {
  if (type.shape.length < least) {
    refuse(
      call,
      "shape_invalid",
      `${formatType(type)} has rank ${type.shape.length}`,
      `rank ${least} or more`,
    );
  }
}

/** Refuses a list that has no operand at all. */
export function checkNotEmpty(call: OpCall): void {
  if (call.inputs.length === 0) {
    refuse(call, "arity_invalid", `${call.op} has no operands`, "one or more");
  }
}

/** Resolves a -1 among sizes to what is left of a count; refuses sizes that do not multiply to it. */
export function resolveSizes(call: OpCall, sizes: readonly number[], count: number): number[] {
  const unknown = sizes.filter((size) => size === -1).length;
  const known = elementCount(sizes.filter((size) => size !== -1));
  for (const size of sizes) checkRange(call, "a size of shape", size, -1, MAX_SIZE);
  const shown = `[${sizes.join(", ")}]`;
  if (unknown > 1) {
    refuse(call, "shape_invalid", `shape ${shown} has more than one -1`, "at most one");
  }
  if (unknown === 1 && known === 0) {
    refuse(call, "shape_invalid", `the -1 of shape ${shown} could be any size`, "a size");
  }
  const resolved = sizes.map((size) => (size === -1 ? count / known : size));
  if (unknown === 1 ? count % known !== 0 : known !== count) {
    refuse(
      call,
      "shape_invalid",
      `${count} elements do not fit shape ${shown}`,
      "a shape with as many elements",
    );
  }
  checkShape(call, "shape", resolved);
  return resolved;
}
