import {
  type ArgumentRow,
  type FormRow,
  MAX_INT,
  type NumberForm,
  POLICIES,
  VIEWS,
} from "../contract/hooks.js";
import { GRAPH_LIMITS } from "../contract/limits.js";
import type { NativeSubscription, NativeView } from "../native.js";
import { show } from "../show.js";
import { HookError } from "./error.js";

/**
 * The events that a subscriber gets: `every` one (the run waits for a slow reader), the `latest` when the reader is
 * ready, every n-th, or at most so many a second.
 */
export type Policy = NumberForm<typeof POLICIES>;

/**
 * The part of a value that a subscriber gets: all of it, a slice (clipped to the value; axes not given are taken whole),
 * or statistics with a histogram of so many bins.
 */
export type View =
  | "full"
  | "summary"
  | { readonly slice: { readonly start: readonly number[]; readonly size: readonly number[] } }
  | { readonly summary: { readonly bins: number } };

/** Options of a subscription: the events that it gets, and the part of their values. */
export interface SubscriptionOptions {
  /** Default `every`. */
  readonly policy?: Policy | undefined;
  /** Default `full`. */
  readonly view?: View | undefined;
}

/** The bins of the view `summary` where none are named. */
export const DEFAULT_BINS = 16;
const MAX_BINS = VIEWS.summary.arguments.bins.most;
const MAX_RANK = GRAPH_LIMITS.rank.default;

/**
 * Returns the options in the form of the native engine.
 * @throws HookError `policy_invalid` or `view_invalid`
 */
export function nativeOptions(options: SubscriptionOptions): Omit<NativeSubscription, "budget"> {
  return { ...nativePolicy(options.policy ?? "every"), view: nativeView(options.view ?? "full") };
}

function nativePolicy(given: Policy): Pick<NativeSubscription, "policy" | "argument"> {
  const [name, value] = (
    typeof given === "string" ? [given] : hasOneKey(given) ? Object.entries(given)[0] : []
  ) as readonly unknown[];
  const row = typeof name === "string" && Object.hasOwn(POLICIES, name) ? name : undefined;
  if (row !== undefined) {
    const policy = row as keyof typeof POLICIES;
    const [range] = Object.values<ArgumentRow>(POLICIES[policy].arguments);
    if (range === undefined && value === undefined) return { policy, argument: 0 };
    if (range !== undefined && isWithin(value, range)) return { policy, argument: value };
  }
  throw new HookError("policy_invalid", `a policy is ${show(given)}`, EXPECTED_POLICY);
}

/** Tells whether a value is a number of a range. NaN is in none. */
function isWithin(value: unknown, range: ArgumentRow): value is number {
  if (!("least" in range) || typeof value !== "number") return false;
  const { kind, least, most, open } = range;
  if (kind === "integer" && !Number.isInteger(value)) return false;
  return value <= most && (open === true ? value > least : value >= least);
}

const EXPECTED_POLICY = Object.entries<FormRow>(POLICIES)
  .map(([name, row]) => {
    const [argument] = Object.entries(row.arguments);
    if (argument === undefined || !("least" in argument[1])) return `"${name}"`;
    const [key, { kind, least, most, open }] = [argument[0], argument[1]];
    const range = open === true ? `above ${least} and at most ${most}` : `from ${least} to ${most}`;
    return `{ ${name}: ${key} } with ${kind === "integer" ? "an integer" : "a number"} ${key} ${range}`;
  })
  .join(", ");

function nativeView(view: View): NativeView {
  if (view === "full") return { kind: "full" };
  if (view === "summary") return { kind: "summary", bins: DEFAULT_BINS };
  if (hasOneKey(view)) {
    if ("summary" in view && isInteger(view.summary?.bins, 0, MAX_BINS)) {
      return { kind: "summary", bins: view.summary.bins };
    }
    if ("slice" in view && isSlice(view.slice)) return { kind: "slice", ...view.slice };
  }
  throw new HookError(
    "view_invalid",
    `a view is ${show(view)}`,
    `"full", "summary", { summary: { bins } } with bins from 0 to ${MAX_BINS}, or { slice: { start, size } } with two lists of integers >= 0 of one length`,
  );
}

function isSlice(slice: unknown): slice is { start: number[]; size: number[] } {
  if (typeof slice !== "object" || slice === null) return false;
  const { start, size } = slice as { start?: unknown; size?: unknown };
  return isSizes(start) && isSizes(size) && start.length === size.length;
}

function isSizes(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length <= MAX_RANK && value.every((item) => isInteger(item, 0))
  );
}

function isInteger(value: unknown, least: number, most = MAX_INT): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

function hasOneKey(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 1;
}
