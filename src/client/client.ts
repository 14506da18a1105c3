import { connect, type Socket } from "node:net";
import { openPort, type Port } from "erlang-port";
import type { EngineArguments } from "../contract/engine-messages.js";
import { DavitError } from "../error.js";
import type { RawEventHandler } from "../hooks/handler-subscriber.js";
import type { MessageName } from "../protocol/message.js";
import type { ResultOf } from "../protocol/results.js";
import { EventReader } from "./events.js";
import {
  decodeMessage,
  type EngineMessage,
  type EngineMessageOf,
  encodeMessage,
} from "./message.js";
import { type RemoteMatch, type RemoteSpec, wireMatch, wirePolicy, wireView } from "./wire.js";

/** The answer to a request. */
export interface Answer<Result = unknown> {
  readonly result: Result;
  readonly attachments: readonly Uint8Array[];
}

/** The handle of a subscription to an engine in another process. */
export interface RemoteSubscription {
  /** Ends it: the handler is not called again. */
  close(): void;
}

interface Pending {
  resolve(answer: Answer): void;
  reject(error: DavitError): void;
}

/**
 * A client of an engine in another process, over its Unix socket: a session of its own, as docs/protocol.md has it.
 * It subscribes to what other sessions of the engine compute.
 */
export class Client {
  /** Resolves with the reason when the session has ended, for whatever reason. */
  readonly closed: Promise<DavitError>;
  readonly #port: Port;
  readonly #pending = new Map<number, Pending>();
  readonly #subscriptions = new Map<
    number,
    (message: EngineMessageOf<"sites" | "events">) => void
  >();
  #next = 1;
  #end: DavitError | undefined;
  #close: (reason: DavitError) => void = () => {};

  private constructor(socket: Socket) {
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
    this.#port = openPort({
      input: socket,
      output: socket,
      onFrame: (frame) => this.#take(decodeMessage(frame)),
      onEnd: (error) => {
        const reason = error?.message ?? "the engine closed the connection";
        this.#ended(new DavitError("engine_lost", reason));
      },
    });
  }

  /**
   * Connects to an engine's socket and begins a session.
   * @throws DavitError `engine_unreachable`, or what the engine refuses the session with
   */
  static async connect(path: string): Promise<Client> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const made = connect(path, () => resolve(made));
      made.once("error", (cause) => {
        const message = `no engine answers on ${path}: ${cause.message}`;
        reject(new DavitError("engine_unreachable", message, { cause }));
      });
    });
    const client = new Client(socket);
    await client.ask(["hello", { protocol: 1, client: "davit-engine" }]);
    return client;
  }

  /**
   * Sends a request and resolves with its answer.
   * @throws DavitError the engine's error, or why the session has ended
   */
  ask<Name extends MessageName>(
    message: readonly [Name, ...unknown[]],
    attachments: readonly Uint8Array[] = [],
  ): Promise<Answer<ResultOf<Name>>> {
    const answer = this.#send(this.#next++, message, attachments);
    return answer as Promise<Answer<ResultOf<Name>>>;
  }

  /** Sends a message that has no answer. `request` is 0 unless the message says otherwise. */
  tell(message: readonly unknown[], request = 0): void {
    if (this.#end === undefined) this.#port.write(encodeMessage(request, message));
  }

  /**
   * Calls a handler with every event of matching sites, in all programs of the engine. While a promise that it returns
   * is pending, the event counts as in flight; with the policy `every` a run waits for a slow handler.
   */
  async subscribe(
    { match, policy, view }: RemoteSpec,
    handler: RawEventHandler,
  ): Promise<RemoteSubscription> {
    const request = this.#next++;
    const reader = new EventReader();
    this.#subscriptions.set(request, (message) => {
      if (message.type === "sites") return reader.declare(message);
      // An error of the handler is an uncaught exception of its own, and costs no other event.
      const handled = [...reader.read(message)].map(({ event, site }) =>
        Promise.resolve().then(() => handler(event, site)),
      );
      const [, cost] = message.args;
      void Promise.allSettled(handled).then(() => this.tell(["consumed", cost], request));
    });
    const message = ["subscribe", wireMatch(match), wirePolicy(policy), wireView(view)];
    try {
      await this.#send(request, message);
    } catch (error) {
      this.#subscriptions.delete(request);
      throw error;
    }
    return {
      close: () => {
        if (this.#subscriptions.delete(request)) this.tell(["unsubscribe", request]);
      },
    };
  }

  /** Lets the engine write a recording of what matches to a file. `recording` is a new id of the session. */
  async record(recording: number, path: string, matches: readonly RemoteMatch[]): Promise<void> {
    await this.ask(["record", recording, path, matches.map(wireMatch)]);
  }

  /** Ends the session. Pending requests fail with `engine_closed`. */
  async close(): Promise<void> {
    this.#ended(new DavitError("engine_closed", "the connection was closed"));
    await this.#port.close();
  }

  #send(
    request: number,
    message: readonly unknown[],
    attachments: readonly Uint8Array[] = [],
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end);
      this.#pending.set(request, { resolve, reject });
      this.#port.write(encodeMessage(request, message, attachments));
    });
  }

  #take(message: EngineMessage): void {
    const { request } = message;
    const pending = this.#pending.get(request);
    switch (message.type) {
      case "ok":
        this.#pending.delete(request);
        pending?.resolve({ result: message.args[0], attachments: message.attachments });
        break;
      case "error":
        this.#pending.delete(request);
        pending?.reject(remoteError(message.args[0]));
        break;
      case "sites":
      case "events":
        this.#subscriptions.get(request)?.(message);
        break;
      case "bye":
        this.#ended(new DavitError(...message.args));
        break;
    }
  }

  #ended(reason: DavitError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#subscriptions.clear();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
    this.#close(reason);
  }
}

/** An error of the engine, as it was thrown there. */
function remoteError({ code, message, ...details }: EngineArguments<"error">[0]): DavitError {
  return Object.assign(new DavitError(code, message), details);
}
