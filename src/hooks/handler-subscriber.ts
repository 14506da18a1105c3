import type { NativeEngine } from "../native.js";
import { show } from "../show.js";
import { HookError } from "./error.js";
import type { NativeEvent, RawEvent } from "./event.js";
import { isThenable, Nesting } from "./nesting.js";
import type { Site } from "./site.js";
import type { CreditedSubscription, Subscriber, Subscription } from "./subscription.js";

/** A handler in this process. While a promise that it returns is pending, its events count as in flight. */
export type RawEventHandler = (event: RawEvent, site: Site) => unknown;

/** @throws HookError `handler_invalid` where it cannot be called */
export function checkHandler(handler: unknown): void {
  if (typeof handler === "function") return;
  throw new HookError("handler_invalid", `the handler is ${show(handler)}`, "a function");
}

/** Calls handlers, and returns the credit of an event when its handler has returned, or its promise is settled. */
export class HandlerSubscriber implements Subscriber {
  #subscription: CreditedSubscription | undefined;
  readonly #handlers: readonly RawEventHandler[];
  // The run may wait for the credit of an event until its handler has computed.
  readonly #nesting: Nesting;

  /** `handlers` are in the order of the specs of the subscription. */
  constructor(handlers: readonly RawEventHandler[], native: NativeEngine) {
    for (const handler of handlers) checkHandler(handler);
    this.#handlers = handlers;
    this.#nesting = new Nesting(native);
  }

  /** Takes over the subscription that this is the subscriber of. Returns its handle. */
  own(subscription: CreditedSubscription): Subscription {
    this.#subscription = subscription;
    return {
      close: () => {
        subscription.close();
        this.#nesting.close();
      },
    };
  }

  onEvent(event: NativeEvent, site: Site, index: number): void {
    const handler = this.#handlers[index] as RawEventHandler;
    const done = () => this.#subscription?.credit(event.cost);
    try {
      const result = this.#nesting.run(() => handler(event, site));
      if (isThenable(result)) void Promise.resolve(result).finally(done);
      else done();
    } catch (error) {
      done();
      // As in any callback it is an uncaught exception; thrown from here it would cost the rest of the batch.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
