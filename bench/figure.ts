import type { Tools } from "./tools.js";

/** What a figure is to reach: a bound of its value, or of its ratio to the floor or peer. */
export interface Target {
  readonly of: "value" | "ratio";
  readonly bound: number;
  /** Whether more is better. */
  readonly atLeast: boolean;
}

/** What was measured. */
export interface Measured {
  readonly value: number;
  /** What the same machine needs for the part that no engine could spare, or what a peer reaches, in the same unit and run. */
  readonly floor?: number;
  /** `value / floor`: the median over the rounds. */
  readonly ratio?: number;
  /** Why it has nothing beside it, where this machine lacks the peer. */
  readonly lacking?: string;
  /** Further numbers that belong to it. */
  readonly details?: Readonly<Record<string, number>>;
}

/** One line of the table. */
export interface Figure {
  readonly about: string;
  readonly unit: string;
  readonly target?: Target;
  measure(tools: Tools): Promise<Measured>;
}

export type Figures = Readonly<Record<string, Figure>>;

/** A figure that cannot be had on this machine: no Elixir, no taskset. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}

export const atMost = (of: Target["of"], bound: number): Target => ({ of, bound, atLeast: false });
export const atLeast = (of: Target["of"], bound: number): Target => ({ of, bound, atLeast: true });
