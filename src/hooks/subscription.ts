import type { NativeEvent } from "./event.js";
import type { Match } from "./match.js";
import type { SubscriptionOptions } from "./policy.js";
import type { Site } from "./site.js";

/** A request for events: the sites, the policy and the view. */
export interface SubscriptionSpec extends SubscriptionOptions {
  readonly match: Match;
}

/** Takes the events of a subscription as they come out of the engine, and returns their credit. */
export interface Subscriber {
  /** `index` is the place of the spec in the list given to {@link HookRouter.subscribeRun}; 0 for a standing subscription. */
  onEvent(event: NativeEvent, site: Site, index: number): void;
}

/** The handle of a subscription. */
export interface Subscription {
  /** Ends the subscription at once: nothing more is delivered. */
  close(): void;
}

/** A subscription whose subscriber returns credit itself. */
export interface CreditedSubscription extends Subscription {
  /** Returns the credit of events that were consumed. */
  credit(bytes: number): void;
}

/** The subscriptions of one run, for `NativeEngine.run`. */
export interface RunSubscriptions {
  /** A flat list: site, subscription, site, subscription, … */
  readonly subscriptions: readonly number[];
}
