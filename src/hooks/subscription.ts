import type { NativeEvent } from "./event.js";
import type { Match } from "./match.js";
import type { SubscriptionOptions } from "./policy.js";
import type { Site } from "./site.js";

/** What a subscriber wants: the events of which sites, which of them, and what of their values. */
export interface SubscriptionSpec extends SubscriptionOptions {
  readonly match: Match;
}

/** Takes the events of a subscription as they come out of the engine, and gives their cost back. */
export interface Subscriber {
  /** `index` is the place of the spec in the list given to {@link HookRouter.subscribeRun}; 0 for a standing subscription. */
  onEvent(event: NativeEvent, site: Site, index: number): void;
}

/** The handle of a subscription. */
export interface Subscription {
  /** Ends the subscription at once: nothing more is delivered. */
  close(): void;
}

/** A subscription whose subscriber gives credit back itself. */
export interface CreditedSubscription extends Subscription {
  /** Gives back the cost of events that were consumed. */
  credit(bytes: number): void;
}

/** The subscriptions of one run, for `NativeEngine.run`. */
export interface RunSubscriptions {
  /** A flat list: site, subscription, site, subscription, … */
  readonly subscriptions: readonly number[];
}
