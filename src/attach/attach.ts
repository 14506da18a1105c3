import { resolve } from "node:path";
import { Client, type RemoteSubscription } from "../client/client.js";
import type { RemoteMatch } from "../client/wire.js";
import { DavitError } from "../error.js";
import { type EventHandler, toEvent } from "../hooks/event.js";
import { checkHandler } from "../hooks/handler-subscriber.js";
import { siteTest } from "../hooks/match.js";
import { nativeOptions, type SubscriptionOptions } from "../hooks/policy.js";
import { findEngine } from "./engines.js";

/** A recording that an engine in another process writes. */
export interface RemoteRecording {
  /** Resolves with the number of events when the file is whole. */
  stop(): Promise<number>;
}

/**
 * An engine in another process that this one watches: what an Elixir application computes at this moment, for instance.
 * The application knows nothing of it, and goes on when this process ends.
 *
 * @example
 * ```ts
 * const engine = await attach();
 * await engine.probe("encoder.*", ({ label, value }) => console.log(label, value), { view: "summary" });
 * console.log((await engine.closed).message);
 * ```
 */
export class AttachedEngine {
  /** Resolves with the reason when the engine is gone, or this was closed. */
  readonly closed: Promise<DavitError>;
  readonly #client: Client;
  #recordings = 0;

  /** @internal */
  constructor(client: Client) {
    this.#client = client;
    this.closed = client.closed;
  }

  /** Calls a handler with every event of the hooks of this name, in all programs of the engine. */
  on(
    name: string,
    handler: EventHandler,
    options: SubscriptionOptions = {},
  ): Promise<RemoteSubscription> {
    return this.subscribe({ name }, handler, options);
  }

  /** Calls a handler with every event of the labelled nodes that a glob matches, hooks or not. */
  probe(
    glob: string,
    handler: EventHandler,
    options: SubscriptionOptions = {},
  ): Promise<RemoteSubscription> {
    return this.subscribe({ probe: glob }, handler, options);
  }

  /**
   * Calls a handler with every event of the sites that a match is for.
   * @throws DavitError `match_invalid`, `handler_invalid`, `policy_invalid`, `view_invalid`, as {@link Engine.subscribe}
   */
  async subscribe(
    match: RemoteMatch,
    handler: EventHandler,
    options: SubscriptionOptions = {},
  ): Promise<RemoteSubscription> {
    checkHandler(handler);
    siteTest(match);
    nativeOptions(options);
    return this.#client.subscribe({ ...options, match }, (event, site) =>
      handler(toEvent(event, site)),
    );
  }

  /** Lets the engine write what matches, and the replies of all callbacks, to a file; see docs/record.md. */
  async record(path: string, matches: readonly RemoteMatch[]): Promise<RemoteRecording> {
    const recording = ++this.#recordings;
    await this.#client.record(recording, resolve(path), matches);
    return {
      stop: async () => (await this.#client.ask(["stop_recording", recording])).result.events,
    };
  }

  /** Memory in bytes, counters, and what is loaded and under way. */
  // biome-ignore lint/suspicious/noExplicitAny: docs/protocol.md, `info`
  async info(): Promise<any> {
    return (await this.#client.ask(["info"])).result;
  }

  /** Ends all subscriptions and recordings. The engine goes on. */
  close(): Promise<void> {
    return this.#client.close();
  }
}

/**
 * Attaches to an engine of this user: by its process id, or by the path of its socket; without a name, to the only one
 * there is. `davit ps` lists them.
 * @throws DavitError `engine_unknown`, `engine_unreachable`
 */
export async function attach(engine?: number | string): Promise<AttachedEngine> {
  if (engine !== undefined && typeof engine !== "number" && typeof engine !== "string") {
    const expected = "a process id or the path of a socket";
    throw new DavitError(
      "argument_invalid",
      `the engine is ${typeof engine}; expected ${expected}`,
      { expected },
    );
  }
  const path = await findEngine(engine === undefined ? undefined : String(engine));
  return new AttachedEngine(await Client.connect(path));
}
