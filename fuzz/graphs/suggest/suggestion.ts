import type { Attribute } from "../../../src/graph/graph.js";
import type { TensorType } from "../../../src/tensor/dtype.js";
import type { Types } from "../types.js";

/** Operands that an op may take, and attributes that fit them; `undefined` leaves an optional one out. */
export interface Suggestion {
  readonly types: readonly (TensorType | null)[];
  readonly attributes?: Readonly<Record<string, Attribute | undefined>>;
}

/** Draws a suggestion for an op. */
export type Suggest = (types: Types, op: string) => Suggestion;

/** Suggestions of a family, by op. What an op does not need is drawn without one. */
export type Suggestions = Readonly<Record<string, Suggest>>;

/** The axes of a shape that a coin decides for. */
export function someAxes(types: Types, rank: number): number[] {
  return types.random.some([...Array(rank).keys()]);
}

/** The same axis, at times counted from the end. */
export function eitherWay(types: Types, axis: number, rank: number): number {
  return types.random.chance(0.7) ? axis : axis - rank;
}
