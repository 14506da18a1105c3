import { DEFAULT_BINS, type Policy, type SubscriptionOptions, type View } from "../hooks/policy.js";

/** A {@link Match} that can be sent to an engine in another process. */
export type RemoteMatch =
  | "all"
  | { readonly id: Uint8Array }
  | { readonly name: string }
  | { readonly label: string }
  | { readonly probe: string };

/** A request for events of an engine in another process. */
export interface RemoteSpec extends SubscriptionOptions {
  readonly match: RemoteMatch;
}

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
