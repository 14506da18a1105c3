import { checkAxis, has, input, int, ints } from "./guards.js";
import type { OpCall } from "./op-call.js";

/**
 * How many values a node makes, as data, so that clients in other languages can count them too:
 *
 * - a number;
 * - `"operands"`: as many as its operands;
 * - `"types"`: as many as its attribute `results` lists types;
 * - `"results"`: as many as its sub-functions return;
 * - `sections`: the integer of that attribute, or where it is absent one more than the list `indices` has items;
 * - `flags`: one, and one more for each of these attributes that is true;
 * - `attribute`: `count` where the attribute is `equals`, and `otherwise` where it is not;
 * - `sizeAlong`: the size of the first operand along the axis that this attribute names.
 */
export type OutputCount = number | "operands" | "types" | "results" | CallOutputCount;

/** The counts that follow from a call's attributes and operand types. */
export type CallOutputCount =
  | { readonly sections: string; readonly indices: string }
  | { readonly flags: readonly string[] }
  | {
      readonly attribute: string;
      readonly equals: boolean | string;
      readonly count: number;
      readonly otherwise: number;
    }
  | { readonly sizeAlong: string };

/** Tells whether a count follows from the call alone. */
export function isCallOutputCount(count: OutputCount | undefined): count is CallOutputCount {
  return typeof count === "object";
}

/**
 * Counts the values that a call makes, whose defaults are filled in.
 * @throws GraphError `axis_invalid`
 */
export function countOutputs(count: CallOutputCount, call: OpCall): number {
  const { attributes } = call;
  if ("sections" in count) {
    const { sections, indices } = count;
    if (has(call, sections)) return int(call, sections);
    return has(call, indices) ? ints(call, indices).length + 1 : 1;
  }
  if ("flags" in count) return 1 + count.flags.filter((name) => attributes[name] === true).length;
  if ("sizeAlong" in count) {
    const { shape } = input(call, 0);
    const name = count.sizeAlong;
    return shape[checkAxis(call, name, int(call, name), shape.length)] as number;
  }
  return attributes[count.attribute] === count.equals ? count.count : count.otherwise;
}
