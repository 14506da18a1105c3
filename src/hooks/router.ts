import { SESSION_LIMITS } from "../contract/limits.js";
import type { CreditBudgetId, NativeEngine, ProgramId, RunId, SubscriptionId } from "../native.js";
import type { Steps } from "../steps.js";
import { CallbackRouter } from "./callback-router.js";
import type { CallbackRequest, NativeEvent } from "./event.js";
import { HandlerSubscriber, type RawEventHandler } from "./handler-subscriber.js";
import { checkNames, type SiteTest, siteTest } from "./match.js";
import { nativeOptions } from "./policy.js";
import type { ProgramSites, Site } from "./site.js";
import type {
  CreditedSubscription,
  RunSubscriptions,
  Subscriber,
  Subscription,
  SubscriptionSpec,
} from "./subscription.js";

/** Something that gathers what a batch brings, and sends it on when it is flushed. */
export interface Gatherer {
  flush(): void;
}

/** A subscription to sites of the programs of an owner, or of all programs. */
interface Standing {
  readonly id: SubscriptionId;
  readonly test: SiteTest;
  readonly owner: object | undefined;
}

/** The options of a standing subscription. */
interface StandingOptions {
  /** Bytes that may be in flight. */
  readonly credit?: number;
  readonly leastBytes?: number;
  readonly owner?: object | undefined;
}

interface KnownProgram {
  readonly owner: object | undefined;
  readonly sites: ReadonlyMap<number, Site>;
  /** The standing subscriptions that the native engine was told of. */
  readonly watchedBy: Set<SubscriptionId>;
}

/** The subscriber of a native subscription. */
interface Route {
  readonly subscriber: Subscriber;
  readonly index: number;
}

/**
 * Brings hook events from the native engine to those who subscribed. Policies and views are applied natively, before
 * anything is copied; here it is decided which sites a subscription is for, and who gets its events.
 */
export class HookRouter {
  readonly callbacks: CallbackRouter;
  readonly #native: NativeEngine;
  readonly #credit: number;
  readonly #programs = new Map<ProgramId, KnownProgram>();
  readonly #standing = new Map<SubscriptionId, Standing>();
  readonly #routes = new Map<SubscriptionId, Route>();
  #gatherers: Gatherer[] = [];

  /** `credit` is how many bytes may be in flight to one subscription. */
  constructor(native: NativeEngine, credit = SESSION_LIMITS.hookCredit.default) {
    this.callbacks = new CallbackRouter(native);
    this.#native = native;
    this.#credit = credit;
  }

  /**
   * Calls a handler with every event of matching sites, in all programs of an owner, those loaded later too; without an
   * owner in all programs.
   */
  on(spec: SubscriptionSpec, handler: RawEventHandler, owner?: object): Subscription {
    const subscriber = new HandlerSubscriber([handler], this.#native);
    return subscriber.own(this.subscribe(spec, subscriber, { owner }));
  }

  /** As {@link on}, for one run: specs with their handlers. To be closed when the run has ended. */
  onRun(
    program: ProgramSites,
    specs: readonly (SubscriptionSpec & { readonly handler: RawEventHandler })[],
  ): Subscription & RunSubscriptions {
    const handlers = specs.map(({ handler }) => handler);
    const subscriber = new HandlerSubscriber(handlers, this.#native);
    const made = this.subscribeRun(program, specs, subscriber);
    return { ...subscriber.own(made), subscriptions: made.subscriptions };
  }

  /** Subscribes to matching sites of the programs of an owner, or of all programs. An event costs `leastBytes` at least. */
  subscribe(
    spec: SubscriptionSpec,
    subscriber: Subscriber,
    { credit = this.#credit, leastBytes = 0, owner }: StandingOptions = {},
  ): CreditedSubscription {
    const test = siteTest(spec.match);
    const options = nativeOptions(spec);
    const budget = this.#native.createCreditBudget(credit, leastBytes);
    const id = this.#native.createSubscription({ ...options, budget });
    this.#routes.set(id, { subscriber, index: 0 });
    const standing = { id, test, owner };
    this.#standing.set(id, standing);
    for (const [program, known] of this.#programs) this.#attach(program, known, standing);
    return {
      credit: (bytes) => {
        if (this.#routes.has(id)) this.#native.credit(budget, bytes);
      },
      close: () => this.#detach(id, budget),
    };
  }

  /** Subscribes to sites of one run; the specs share one credit budget. */
  subscribeRun(
    program: ProgramSites,
    specs: readonly SubscriptionSpec[],
    subscriber: Subscriber,
    credit = this.#credit,
  ): CreditedSubscription & RunSubscriptions {
    // All are checked before anything is made.
    const checked = specs.map((spec) => {
      const sites = program.sites.filter(siteTest(spec.match));
      if (sites.length === 0 || Array.isArray(spec.match)) checkNames(spec.match, program.sites);
      return { sites, options: nativeOptions(spec) };
    });
    let budget: CreditBudgetId | undefined;
    const ids: SubscriptionId[] = [];
    const subscriptions: number[] = [];
    checked.forEach(({ sites, options }, index) => {
      if (sites.length === 0) return;
      budget ??= this.#native.createCreditBudget(credit, 0);
      const id = this.#native.createSubscription({ ...options, budget });
      ids.push(id);
      this.#routes.set(id, { subscriber, index });
      for (const site of sites) subscriptions.push(site.number, id);
    });
    return {
      subscriptions,
      credit: (bytes) => {
        if (budget !== undefined) this.#native.credit(budget, bytes);
      },
      close: () => {
        for (const id of ids.splice(0)) this.#close(id);
        if (budget !== undefined) this.#native.closeCreditBudget(budget);
        budget = undefined;
      },
    };
  }

  /** Programs that are loaded. */
  get programCount(): number {
    return this.#programs.size;
  }

  /** Returns the sites of a program; none where it was unloaded. */
  sites(program: ProgramId): Iterable<Site> {
    return this.#programs.get(program)?.sites.values() ?? [];
  }

  /** For the engine: a run has ended. */
  endRun(run: RunId): void {
    this.callbacks.endRun(run);
  }

  /** For the engine: a program was loaded, for an owner where it has one. A step for each standing subscription. */
  *addProgram(program: ProgramSites, owner?: object): Steps<void> {
    const known: KnownProgram = {
      owner,
      sites: new Map(program.sites.map((site) => [site.number, site])),
      watchedBy: new Set(),
    };
    this.#programs.set(program.id, known);
    // Subscriptions that are made between two steps find the program by themselves.
    for (const standing of [...this.#standing.values()]) {
      if (!this.#standing.has(standing.id)) continue;
      this.#attach(program.id, known, standing);
      yield;
    }
  }

  /** For the engine: a program was unloaded and its last run has ended. */
  removeProgram(program: ProgramId): void {
    this.#programs.delete(program);
  }

  /** For the engine: a hook fired. */
  onEvent(event: NativeEvent): void {
    const route = this.#routes.get(event.subscription);
    // Events that were on their way when their subscription was closed.
    if (route === undefined) return;
    const site = this.#site(event);
    if (site !== undefined) route.subscriber.onEvent(event, site, route.index);
  }

  /** For the engine: a callback node waits. */
  onCallback(request: CallbackRequest): void {
    this.callbacks.onCallback(request, this.#site(request));
  }

  /** Has a gatherer flushed at the end of the batch under way, or before. */
  gather(gatherer: Gatherer): void {
    this.#gatherers.push(gatherer);
  }

  /** Flushes what was gathered. The engine does so at the end of a batch. */
  flush(): void {
    if (this.#gatherers.length === 0) return;
    const gatherers = this.#gatherers;
    this.#gatherers = [];
    for (const gatherer of gatherers) gatherer.flush();
  }

  #site({ program, site }: { readonly program: ProgramId; readonly site: number }) {
    return this.#programs.get(program)?.sites.get(site);
  }

  #attach(program: ProgramId, known: KnownProgram, { id, test, owner }: Standing): void {
    if (owner !== undefined && owner !== known.owner) return;
    const sites = [...known.sites.values()].filter(test).map(({ number }) => number);
    if (sites.length === 0) return;
    known.watchedBy.add(id);
    // All at once: a run under way sees all of them or none.
    this.#native.subscribe(program, id, sites);
  }

  #detach(id: SubscriptionId, budget: CreditBudgetId): void {
    if (!this.#standing.delete(id)) return;
    for (const [program, { watchedBy }] of this.#programs) {
      if (watchedBy.delete(id)) this.#native.subscribe(program, id, []);
    }
    this.#close(id);
    this.#native.closeCreditBudget(budget);
  }

  #close(id: SubscriptionId): void {
    this.#routes.delete(id);
    this.#native.closeSubscription(id);
  }
}
