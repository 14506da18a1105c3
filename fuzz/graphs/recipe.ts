import type { Attributes } from "../../src/graph/graph.js";
import type { SubscriptionOptions } from "../../src/hooks/policy.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import type { Fill } from "./fill.js";

/** A value of a body: a parameter, or an output of a node. */
export type Ref =
  | { readonly parameter: number }
  | { readonly node: number; readonly output: number };

/** A node of a body; null where an optional operand is absent. */
export interface BodyNode {
  readonly op: string;
  readonly inputs: readonly (Ref | null)[];
  readonly attributes: Attributes;
  /** The types of its values, as they were inferred when it was drawn. */
  readonly types: readonly TensorType[];
  readonly label?: string;
}

/** A straight function. */
export interface Body {
  readonly parameters: readonly TensorType[];
  readonly nodes: readonly BodyNode[];
  readonly results: readonly Ref[];
}

/** What is put round a body, one around the other. */
export type Wrap =
  | { readonly kind: "vjp" | "jvp"; readonly wrt: readonly number[] }
  | { readonly kind: "for"; readonly count: number; readonly operand: boolean }
  | { readonly kind: "while"; readonly count: number; readonly counted: boolean }
  | { readonly kind: "cond"; readonly swapped: boolean }
  | { readonly kind: "switch"; readonly branches: number; readonly taken: number }
  | { readonly kind: "call"; readonly times: number };

/**
 * What a graph is made of, so that it can be made smaller piece by piece: a graph itself has types and numbers that
 * depend on each other.
 */
export interface Recipe {
  readonly body: Body;
  readonly wraps: readonly Wrap[];
  /** How the program's arguments are filled, by position; the last stands for all that follow. */
  readonly fills: readonly Fill[];
  /** Subscriptions to all hooks and labelled nodes. */
  readonly subscriptions: readonly SubscriptionOptions[];
}
