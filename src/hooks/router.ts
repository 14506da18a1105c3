import type { ChannelId, NativeEngine, ProgramId, RunId, SubscriptionId } from "../native.js";
import { show } from "../show.js";
import type { Steps } from "../steps.js";
import { HookError } from "./error.js";
import { type CallRecord, type EventRecord, freeValues, type HookEvent } from "./event.js";
import { checkNames, type Match, type SiteTest, siteTest } from "./match.js";
import { isThenable, Nesting } from "./nesting.js";
import { type Delivery, nativeDelivery } from "./policy.js";
import type { Site, WatchedProgram } from "./site.js";

/** Takes a subscription's events as they come out of the engine, and sees to it that their cost is given back. */
export interface Watcher {
  /** `index` counts the requests of {@link HookRouter.watchRun}; it is 0 for a standing subscription. */
  onEvent(event: EventRecord, site: Site, index: number): void;
}

/** Takes the `call` nodes of one run. */
export interface CallReceiver {
  onCall(call: CallRecord, site: Site): void;
}

/** Something that gathers what a batch brings and sends it on at the batch's end. */
export interface Gatherer {
  endOfBatch(): void;
}

/** A handler in this process. While a promise that it returns is pending, its events count as in flight. */
export type HookHandler = (event: HookEvent) => unknown;

/** Something that was subscribed and can be ended. */
export interface Watch {
  /** Gives back the cost of events that were consumed. */
  credit(bytes: number): void;
  /** Ends it at once: nothing more is delivered. */
  close(): void;
}

/** The subscriptions of one run. */
export interface RunWatch extends Watch {
  /** For `NativeEngine.run`: site, subscription, site, subscription, … */
  readonly watches: readonly number[];
}

/** One wish of a run: which sites, and how. */
export interface WatchRequest extends Delivery {
  readonly match: Match;
}

/** The default of `hookBytes`. */
export const DEFAULT_HOOK_BYTES = 8 * 1024 * 1024;

interface Standing {
  readonly id: SubscriptionId;
  readonly test: SiteTest;
}

interface KnownProgram {
  readonly sites: ReadonlyMap<number, Site>;
  /** The standing subscriptions that the native engine was told of. */
  readonly watchedBy: Set<SubscriptionId>;
}

interface Target {
  readonly watcher: Watcher;
  readonly index: number;
}

/**
 * Brings hook events from the native engine to those who subscribed. Policies and views are applied natively, before
 * anything is copied; here it is decided which sites a subscription is for, and who gets its events.
 */
export class HookRouter {
  readonly #native: NativeEngine;
  readonly #hookBytes: number;
  readonly #programs = new Map<ProgramId, KnownProgram>();
  readonly #standing = new Map<SubscriptionId, Standing>();
  readonly #targets = new Map<SubscriptionId, Target>();
  readonly #callers = new Map<RunId, CallReceiver>();
  #answering: CallReceiver | undefined;
  #gatherers: Gatherer[] = [];

  /** `hookBytes` is how much may be in flight to one subscription. */
  constructor(native: NativeEngine, hookBytes = DEFAULT_HOOK_BYTES) {
    this.#native = native;
    this.#hookBytes = hookBytes;
  }

  /** Calls a handler with every event of matching sites, in all programs, those loaded later too. */
  subscribe(match: Match, delivery: Delivery, handler: HookHandler): Watch {
    const watcher = new HandlerWatcher([handler], this.#native);
    return watcher.watching(this.watch(match, delivery, watcher));
  }

  /** As {@link subscribe}, for one run: pairs of a wish and its handler. Close it when the run has ended. */
  subscribeRun(
    program: WatchedProgram,
    requests: readonly (WatchRequest & { readonly handler: HookHandler })[],
  ): RunWatch {
    const watcher = new HandlerWatcher(
      requests.map((request) => request.handler),
      this.#native,
    );
    return watcher.watching(this.watchRun(program, requests, watcher));
  }

  /** Subscribes a watcher to matching sites of all programs. An event counts `leastBytes` at least. */
  watch(
    match: Match,
    delivery: Delivery,
    watcher: Watcher,
    hookBytes = this.#hookBytes,
    leastBytes = 0,
  ): Watch {
    const test = siteTest(match);
    const options = nativeDelivery(delivery);
    const channel = this.#native.createChannel(hookBytes, leastBytes);
    const id = this.#native.createSubscription({ ...options, channel });
    this.#targets.set(id, { watcher, index: 0 });
    const standing = { id, test };
    this.#standing.set(id, standing);
    for (const [program, known] of this.#programs) this.#attach(program, known, standing);
    return {
      credit: (bytes) => {
        if (this.#targets.has(id)) this.#native.credit(channel, bytes);
      },
      close: () => this.#detach(id, channel),
    };
  }

  /** Subscribes a watcher to sites of one run; its requests share one budget. */
  watchRun(
    program: WatchedProgram,
    requests: readonly WatchRequest[],
    watcher: Watcher,
    hookBytes = this.#hookBytes,
  ): RunWatch {
    // All are checked before anything is made.
    const checked = requests.map((request) => {
      const sites = program.sites.filter(siteTest(request.match));
      if (sites.length === 0 || Array.isArray(request.match)) {
        checkNames(request.match, program.sites);
      }
      return { sites, options: nativeDelivery(request) };
    });
    let channel: ChannelId | undefined;
    const ids: SubscriptionId[] = [];
    const watches: number[] = [];
    checked.forEach(({ sites, options }, index) => {
      if (sites.length === 0) return;
      channel ??= this.#native.createChannel(hookBytes, 0);
      const id = this.#native.createSubscription({ ...options, channel });
      ids.push(id);
      this.#targets.set(id, { watcher, index });
      for (const site of sites) watches.push(site.site, id);
    });
    return {
      watches,
      credit: (bytes) => {
        if (channel !== undefined) this.#native.credit(channel, bytes);
      },
      close: () => {
        for (const id of ids.splice(0)) this.#close(id);
        if (channel !== undefined) this.#native.closeChannel(channel);
        channel = undefined;
      },
    };
  }

  /** Hands the `call` nodes of a run to a receiver, until {@link endRun}. */
  answerCalls(run: RunId, receiver: CallReceiver): void {
    this.#callers.set(run, receiver);
  }

  /** Hands the `call` nodes of all runs to a receiver instead of their own; undefined ends that. */
  answerAllCalls(receiver: CallReceiver | undefined): void {
    this.#answering = receiver;
  }

  /** Programs that are loaded. */
  get programCount(): number {
    return this.#programs.size;
  }

  /** What can be watched in a program; nothing where it was unloaded. */
  sites(program: ProgramId): Iterable<Site> {
    return this.#programs.get(program)?.sites.values() ?? [];
  }

  /** For whoever started a run: it has ended. */
  endRun(run: RunId): void {
    this.#callers.delete(run);
  }

  /** For the engine: a program was loaded. A step for each standing subscription. */
  *addProgram(program: WatchedProgram): Steps<void> {
    const known: KnownProgram = {
      sites: new Map(program.sites.map((site) => [site.site, site])),
      watchedBy: new Set(),
    };
    this.#programs.set(program.id, known);
    // Those that are made between two steps find the program by themselves.
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
  onEvent(event: EventRecord): void {
    const target = this.#targets.get(event.subscription);
    // Events that were on their way when their subscription was closed.
    if (target === undefined) return;
    const site = this.#programs.get(event.program)?.sites.get(event.site);
    if (site !== undefined) target.watcher.onEvent(event, site, target.index);
  }

  /** For the engine: a `call` node waits. */
  onCall(call: CallRecord): void {
    const site = this.#programs.get(call.program)?.sites.get(call.site);
    const receiver = this.#answering ?? this.#callers.get(call.run);
    if (site !== undefined && receiver !== undefined) {
      receiver.onCall(call, site);
      return;
    }
    freeValues(call, this.#native);
    const name = site?.label ?? site?.name ?? `site ${call.site}`;
    this.#native.replyError(
      call.run,
      call.call,
      "no_handler",
      `the call "${name}" has no handler in this run`,
    );
  }

  /** For the engine: the batch is over. */
  onBatchEnd(): void {
    if (this.#gatherers.length === 0) return;
    const gatherers = this.#gatherers;
    this.#gatherers = [];
    for (const gatherer of gatherers) gatherer.endOfBatch();
  }

  /** Calls back once, at the end of the batch under way. */
  atBatchEnd(gatherer: Gatherer): void {
    this.#gatherers.push(gatherer);
  }

  #attach(program: ProgramId, known: KnownProgram, { id, test }: Standing): void {
    const sites = [...known.sites.values()].filter(test).map(({ site }) => site);
    if (sites.length === 0) return;
    known.watchedBy.add(id);
    // All at once: a run under way sees all of them or none.
    this.#native.watch(program, id, sites);
  }

  #detach(id: SubscriptionId, channel: ChannelId): void {
    if (!this.#standing.delete(id)) return;
    for (const [program, { watchedBy }] of this.#programs) {
      if (watchedBy.delete(id)) this.#native.watch(program, id, []);
    }
    this.#close(id);
    this.#native.closeChannel(channel);
  }

  #close(id: SubscriptionId): void {
    this.#targets.delete(id);
    this.#native.closeSubscription(id);
  }
}

/** @throws HookError `bad_handler` where it cannot be called */
export function checkHandler(handler: unknown): void {
  if (typeof handler === "function") return;
  throw new HookError("bad_handler", `the handler is ${show(handler)}`, "a function");
}

/** Calls handlers, and gives an event's cost back when its handler is done with it. */
class HandlerWatcher implements Watcher {
  #watch: Watch | undefined;
  readonly #handlers: readonly HookHandler[];
  // The run may wait for the credit of an event until its handler has computed.
  readonly #nesting: Nesting;

  constructor(handlers: readonly HookHandler[], native: NativeEngine) {
    for (const handler of handlers) checkHandler(handler);
    this.#handlers = handlers;
    this.#nesting = new Nesting(native);
  }

  /** The watch that this is the watcher of, as others close it. */
  watching<W extends Watch>(watch: W): W {
    this.#watch = watch;
    return {
      ...watch,
      close: () => {
        watch.close();
        this.#nesting.close();
      },
    };
  }

  onEvent(event: EventRecord, site: Site, index: number): void {
    const { run, program, seq, path, dropped, values, cost } = event;
    const handler = this.#handlers[index] as HookHandler;
    const done = () => this.#watch?.credit(cost);
    try {
      const result = this.#nesting.run(() =>
        handler({ site, run, program, seq, path, dropped, values }),
      );
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
