import type { HookRouter } from "../hooks/router.js";
import type { ProgramSites } from "../hooks/site.js";
import type { SubscriptionSpec } from "../hooks/subscription.js";
import type { ProgramId, RunId } from "../native.js";
import { ProtocolError } from "./error.js";
import { EventStream, type StreamHost } from "./event-stream.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";

/** The events that a run's caller gets without asking for them, each kind under a number of its own in the run's stream. */
const OWN = {
  /** Prints, which the caller shows. */
  prints: { number: -1, spec: { match: "prints", policy: "every", view: "full" } },
  /** Hooks whose last value says who gets them. */
  destinations: { number: -2, spec: { match: "destinations", policy: "every", view: "full" } },
} as const satisfies Record<string, { number: number; spec: SubscriptionSpec }>;

/** One of the kinds that a run's caller gets without asking for it. */
export type OwnHooks = keyof typeof OWN;

/** The parts of a session that its hooks need. */
export interface HooksHost {
  readonly router: HookRouter;
  readonly sender: Sender;
  readonly limits: { readonly subscriptions: number; readonly maxFrameBytes: number };
  /** The client's number of a program, undefined where another session loaded it. */
  programNumber(program: ProgramId): number | undefined;
  /** The request number of a run, 0 where it is another session's. */
  runNumber(run: RunId): number;
}

/** The stream of a run with hooks or prints, and its subscriptions. */
export interface RunHooks {
  readonly stream: EventStream;
  readonly subscriptions: readonly number[];
}

/** The subscriptions of one session: standing ones, and those of its runs. */
export class SessionHooks implements StreamHost {
  /** Hook bytes in flight to one subscription or run. */
  credit: number;
  readonly sender: Sender;
  readonly maxFrameBytes: number;
  readonly #host: HooksHost;
  readonly #standing = new Map<number, EventStream>();
  readonly #ofRuns = new Map<number, EventStream>();

  constructor(host: HooksHost, credit: number) {
    this.#host = host;
    this.sender = host.sender;
    this.maxFrameBytes = host.limits.maxFrameBytes;
    this.credit = credit;
  }

  /** Answers `subscribe`: the request's number becomes the subscription. */
  subscribe(request: number, { match, policy, view, events }: MessageOf<"subscribe">): void {
    if (this.#standing.has(request)) {
      throw new ProtocolError("request_taken", `there is a subscription ${request} already`);
    }
    const most = this.#host.limits.subscriptions;
    if (this.#standing.size >= most) {
      throw new ProtocolError(
        "subscription_limit_exceeded",
        `the session has ${most} subscriptions`,
      );
    }
    const stream = new EventStream(request, this);
    const least = events === undefined ? 0 : Math.ceil(this.credit / events);
    const spec = { match, policy, view };
    stream.subscription = this.#host.router.subscribe(spec, stream, {
      credit: this.credit,
      leastBytes: least,
    });
    this.#standing.set(request, stream);
    this.sender.ok<"subscribe">(request, null);
  }

  /** Ends a standing subscription; what was gathered for it is still sent. */
  unsubscribe(request: number): void {
    this.#standing.get(request)?.subscription?.close();
    this.#standing.delete(request);
  }

  /** Takes back credit; that of streams which have ended is not missed. */
  consumed(request: number, bytes: number): void {
    const stream = this.#standing.get(request) ?? this.#ofRuns.get(request);
    stream?.subscription?.credit(bytes);
  }

  /** Subscribes a run's caller to what it asked for, and to what it gets without that. */
  subscribeRun(
    request: number,
    program: ProgramSites,
    specs: readonly SubscriptionSpec[],
    own: readonly OwnHooks[],
  ): RunHooks {
    const most = this.#host.limits.subscriptions;
    if (specs.length > most) {
      const text = `run has ${specs.length} hooks; expected at most ${most}`;
      throw new ProtocolError("subscription_limit_exceeded", text, `at most ${most}`);
    }
    const numbers = specs.map((_, index) => index);
    const all = [...specs];
    for (const kind of own) {
      numbers.push(OWN[kind].number);
      all.push(OWN[kind].spec);
    }
    const stream = new EventStream(request, this, numbers);
    const made = this.#host.router.subscribeRun(program, all, stream, this.credit);
    stream.subscription = made;
    this.#ofRuns.set(request, stream);
    return { stream, subscriptions: made.subscriptions };
  }

  /** A run is over; its events have come. */
  endRun({ stream }: RunHooks): void {
    stream.subscription?.close();
    this.#ofRuns.delete(stream.request);
  }

  programNumber(program: ProgramId): number | undefined {
    return this.#host.programNumber(program);
  }

  runNumber(run: RunId): number {
    return this.#host.runNumber(run);
  }

  gather(stream: EventStream): void {
    this.#host.router.gather(stream);
  }

  /** The session ends. */
  close(): void {
    for (const request of [...this.#standing.keys()]) this.unsubscribe(request);
    for (const stream of this.#ofRuns.values()) stream.subscription?.close();
    this.#ofRuns.clear();
  }
}
