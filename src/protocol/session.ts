import { shorten } from "../show.js";
import { isFatal, ProtocolError } from "./error.js";
import { decodeFrame } from "./frame.js";
import { decodeHeader } from "./header.js";
import { HeldMessages } from "./held-messages.js";
import type { Host } from "./host.js";
import { helloAnswer, infoAnswer, memoryAnswer, PROTOCOL_VERSION } from "./introduction.js";
import { SessionMemory } from "./memory.js";
import type { Message, MessageOf } from "./message.js";
import { answerOpenFunction } from "./open-function.js";
import { parseMessage } from "./parse-message.js";
import type { Connection } from "./sender.js";
import { SessionParts } from "./session-parts.js";

/**
 * One engine seen through one connection. Ids are the client's and are bound when their message arrives;
 * nothing a client sends is waited for, and all it made is freed when the session ends.
 */
export class Session {
  readonly #host: Host;
  readonly #connection: Connection;
  readonly #parts: SessionParts;
  readonly #held: HeldMessages;
  readonly #memory: SessionMemory;
  readonly #token: Uint8Array | undefined;
  #greeted = false;
  #ended = false;

  constructor(host: Host, connection: Connection) {
    this.#host = host;
    this.#connection = connection;
    this.#parts = new SessionParts(host, connection);
    this.#memory = new SessionMemory(host.engine.native, host.sessions, this.#parts);
    this.#held = new HeldMessages({
      limits: host.limits,
      take: (request, message) => this.#resume(request, message),
      refuse: (request, message, error) => this.#refuse(request, message, error),
    });
    this.#token = host.bulk?.admit(this.#parts.transfers);
  }

  /** Tells the client that somebody listens: it writes nothing before. */
  greet(): void {
    this.#parts.sender.send(0, ["ready", { protocol: PROTOCOL_VERSION, engine: "davit" }]);
  }

  /** Takes one frame of the client. Its bytes are not needed after the return. */
  receive(payload: Uint8Array): void {
    if (this.#ended) return;
    try {
      const frame = decodeFrame(payload);
      const header = decodeHeader(frame.header);
      try {
        this.#checkBacklog();
        const message = parseMessage(header, frame.attachments);
        if (this.#held.mustWait(message)) this.#hold(payload);
        else this.#take(frame.request, message);
      } catch (error) {
        if (isFatal(error)) throw error;
        this.#parts.sender.error(frame.request, error);
      }
    } catch (error) {
      const { code, message } = error as ProtocolError;
      this.end(code ?? "internal", message);
    }
  }

  /** Keeps a message for later, with bytes of its own. */
  #hold(payload: Uint8Array): void {
    const { request, header, attachments } = decodeFrame(Uint8Array.from(payload));
    this.#held.add(request, parseMessage(decodeHeader(header), attachments), payload.length);
  }

  /** Takes a message that was held. */
  #resume(request: number, message: Message): void {
    try {
      this.#take(request, message);
    } catch (error) {
      this.#parts.sender.error(request, error);
    }
  }

  /** Answers a message that was held with an error, and with it what depends on it. */
  #refuse(request: number, message: Message, error: ProtocolError): void {
    const runs = message.type === "runs" ? message.runs : message.type === "run" ? [message] : [];
    const ids = runs.flatMap(({ outputs }) => outputs);
    for (const id of ids) if (id !== null) this.#parts.tensors.defineFailed(id, error);
    if (message.type === "load" || message.type === "load_kept")
      this.#parts.programs.defineFailed(message.program, error);
    this.#parts.sender.error(request, error);
  }

  #load(request: number, message: MessageOf<"load"> | MessageOf<"load_kept">): void {
    const over = this.#parts.programs.load(request, message, () => this.#held.loaded());
    if (!over) this.#held.loading(message);
  }

  #take(request: number, message: Message): void {
    if (!this.#greeted && message.type !== "hello") {
      throw new ProtocolError(
        "hello_missing",
        `the first message is ${message.type}; expected hello`,
      );
    }
    switch (message.type) {
      case "hello":
        this.#hello(request, message);
        break;
      case "load":
      case "load_kept":
        this.#load(request, message);
        break;
      case "keep":
        this.#parts.programs.keep(request, message);
        break;
      case "forget_kept":
        this.#parts.programs.forgetKept(message);
        break;
      case "unload":
        this.#parts.programs.unload(message.program);
        break;
      case "put":
        this.#parts.arrivals.put(request, message);
        break;
      case "open_file":
        this.#parts.tensors.openFile(request, message);
        break;
      case "open_function":
        answerOpenFunction(this.#parts.sender, request, message);
        break;
      case "export_function":
        this.#parts.exports.export(request, message);
        break;
      case "get":
        this.#parts.reads.get(request, message);
        break;
      case "free":
        this.#parts.tensors.free(message.tensors);
        break;
      case "run":
        this.#parts.runs.run(request, message);
        break;
      case "runs":
        this.#parts.runs.runAll(message, () => this.#checkBacklog());
        break;
      case "cancel":
        this.#cancel(message.request, message.reason);
        break;
      case "close_queue":
        this.#parts.runs.closeQueue(message.queue);
        this.#parts.generations.closeQueue(message.queue);
        break;
      case "record":
        this.#parts.recordings.start(request, message);
        break;
      case "stop_recording":
        this.#parts.recordings.stop(request, message.recording);
        break;
      case "replay":
        this.#parts.replays.open(request, message);
        break;
      case "stop_replay":
        this.#parts.replays.stop(request, message.replay);
        break;
      case "open_model":
        this.#parts.models.open(request, message);
        break;
      case "embed":
        this.#parts.embeddings.embed(request, message);
        break;
      case "generate":
        this.#parts.generations.generate(request, message);
        break;
      case "next_token":
        this.#parts.generations.next(request, message.generation);
        break;
      case "close_generation":
        this.#parts.generations.close(message.generation);
        break;
      case "snapshot":
        this.#parts.snapshots.make(request, message);
        break;
      case "close_snapshot":
        this.#parts.snapshots.close(message.snapshot);
        break;
      case "close_model":
        this.#parts.models.close(message.model);
        break;
      case "subscribe":
        this.#parts.hooks.subscribe(request, message);
        break;
      case "unsubscribe":
        this.#parts.hooks.unsubscribe(message.subscription);
        break;
      case "consumed":
        this.#parts.hooks.consumed(request, message.bytes);
        break;
      case "reply":
        this.#parts.runs.callbacks.reply(this.#parts.runs.find(message.run), message);
        break;
      case "reply_error":
        this.#parts.runs.callbacks.replyError(this.#parts.runs.find(message.run), message);
        break;
      case "info":
        this.#info(request);
        break;
      case "memory":
        this.#parts.sender.ok<"memory">(request, memoryAnswer(this.#host, this.#memory));
        break;
    }
  }

  #hello(request: number, { protocol, client, limits }: MessageOf<"hello">): void {
    if (this.#greeted) throw new ProtocolError("hello_repeated", "the session has begun already");
    if (protocol !== PROTOCOL_VERSION) {
      throw new ProtocolError(
        "protocol_unsupported",
        `the client speaks protocol ${protocol}; expected ${PROTOCOL_VERSION}`,
        `${PROTOCOL_VERSION}`,
      );
    }
    this.#greeted = true;
    this.#memory.client = shorten(client, LONGEST_NAME);
    const host = this.#host;
    if (limits.hookCredit !== undefined) {
      this.#parts.hooks.credit = Math.max(1, Math.min(limits.hookCredit, host.limits.hookCredit));
    }
    this.#parts.sender.ok<"hello">(
      request,
      helloAnswer(host, this.#parts.hooks.credit, this.#token),
    );
  }

  /** Ends whatever has this request number and is not over. */
  #cancel(request: number, reason: string): void {
    this.#held.cancel(request, reason);
    this.#parts.cancel(request, reason);
  }

  #info(request: number): void {
    const counts = { programs: this.#parts.programs.size, tensors: this.#parts.tensors.size };
    this.#parts.sender.ok<"info">(request, infoAnswer(this.#host, counts));
  }

  /** A client that does not read its answers may not ask for more. */
  #checkBacklog(): void {
    const { requests, unreadBytes } = this.#host.limits;
    if (this.#parts.open + this.#held.size > requests) {
      throw new ProtocolError(
        "request_limit_exceeded",
        `more than ${requests} requests have no answer yet, or transfers are not over`,
      );
    }
    if (this.#parts.sender.pendingBytes > unreadBytes) {
      throw new ProtocolError(
        "reader_too_slow",
        `more than ${unreadBytes} bytes of answers are unread`,
      );
    }
  }

  /** Tells the client of something that is no answer. */
  log(level: "debug" | "info" | "warning" | "error", text: string): void {
    if (this.#greeted) this.#parts.sender.send(0, ["log", level, shorten(text, LONGEST_LOG)]);
  }

  /** Says good-bye with a reason, and ends the session. */
  end(code: string, message: string): void {
    if (this.#ended) return;
    this.#parts.sender.send(0, ["bye", code, message]);
    this.close();
    void this.#connection.close();
  }

  /** Frees all that the client made, and cancels its runs. For a client that is gone. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#token !== undefined) this.#host.bulk?.dismiss(this.#token);
    this.#parts.sender.end();
    this.#held.close();
    this.#memory.close();
    this.#parts.close();
  }
}

/** The longest text of a log message. */
const LONGEST_LOG = 64 * 1024;

/** The longest name of a client that is kept. */
const LONGEST_NAME = 200;
