import { DavitError } from "../error.js";
import { Tensor } from "../native-tensor.js";
import { isPlainObject } from "../realm.js";
import { show } from "../show.js";
import { isTypedArray, type TypedArray } from "../tensor/typed-array.js";
import type { NestedArray, TensorLike } from "../tensor/values.js";
import type { Flat, Tree } from "../trace/tree.js";

/** An argument: a tensor, what one can be made of, or a list or object of these. An array of numbers is one tensor. */
export type Argument = Tensor | NestedArray | TypedArray | readonly Argument[] | ArgumentObject;

/** Named arguments. */
export interface ArgumentObject {
  readonly [key: string]: Argument;
}

/** The positions of the inputs that arguments, by their positions, are made of. */
export function inputsOf(args: Flat<Tensor>, positions: readonly number[]): number[] {
  if (positions.length === 0) return [];
  return args.paths().flatMap(([arg], input) => (positions.includes(arg as number) ? [input] : []));
}

/** A tree of tensors from an argument; tensors that had to be made are noted. */
export function toTensors(
  engine: { tensor(value: TensorLike): Tensor },
  arg: Argument,
  made: Tensor[],
): Tree<Tensor> {
  if (arg instanceof Tensor) return arg;
  if (isPlainObject(arg)) {
    return Object.fromEntries(
      Object.entries(arg).map(([key, item]) => [key, toTensors(engine, item as Argument, made)]),
    );
  }
  if (Array.isArray(arg) && !isNumeric(arg)) {
    return arg.map((item) => toTensors(engine, item as Argument, made));
  }
  if (!isTypedArray(arg) && !Array.isArray(arg) && !isScalar(arg)) {
    const expected = "a tensor, numbers, a typed array, or a list or object of these";
    throw new DavitError("argument_invalid", `an argument is ${show(arg)}; expected ${expected}`, {
      expected,
    });
  }
  const tensor = engine.tensor(arg as NestedArray);
  made.push(tensor);
  return tensor;
}

function isScalar(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
}

/** Tells nested arrays of numbers from lists of tensors. */
function isNumeric(value: unknown): boolean {
  return Array.isArray(value) ? value.every(isNumeric) : isScalar(value);
}
