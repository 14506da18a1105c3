import { DEFAULT_BINS, type Policy, type View } from "../hooks/policy.js";

/** Which sites of an engine in another process are meant; see `Match`. */
export type RemoteMatch =
  | "all"
  | { readonly id: Uint8Array }
  | { readonly name: string }
  | { readonly label: string }
  | { readonly probe: string };

/** A match as it travels. */
export function wireMatch(match: RemoteMatch): readonly unknown[] {
  return match === "all" ? ["all"] : (Object.entries(match)[0] as readonly unknown[]);
}

/** A policy as it travels; nil for the default. */
export function wirePolicy(policy: Policy | undefined): unknown {
  return typeof policy === "object" ? Object.entries(policy)[0] : (policy ?? null);
}

/** A view as it travels; nil for the default. */
export function wireView(view: View | undefined): unknown {
  if (view === "summary") return ["summary", DEFAULT_BINS];
  if (typeof view !== "object") return view ?? null;
  return "slice" in view
    ? ["slice", view.slice.start, view.slice.size]
    : ["summary", view.summary.bins];
}
