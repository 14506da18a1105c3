import { type EventHandler, toEvent } from "./event.js";
import { checkHandler } from "./handler-subscriber.js";
import type { HookRouter } from "./router.js";
import type { Subscription, SubscriptionSpec } from "./subscription.js";

/** Calls a handler with every event that a spec is for: of the programs of `owner`, or of all programs without it. */
export function onEvents(
  router: HookRouter,
  spec: SubscriptionSpec,
  handler: EventHandler,
  owner?: object,
): Subscription {
  checkHandler(handler);
  return router.on(spec, (event, site) => handler(toEvent(event, site)), owner);
}
