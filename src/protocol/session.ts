import { shorten } from "../show.js";
import { SessionArrivals } from "./arrivals.js";
import { isFatal, ProtocolError } from "./error.js";
import { decodeFrame } from "./frame.js";
import { decodeHeader } from "./header.js";
import { HeldMessages } from "./held-messages.js";
import { SessionHooks } from "./hooks.js";
import type { Host } from "./host.js";
import { helloAnswer, infoAnswer, PROTOCOL_VERSION } from "./introduction.js";
import type { Message, MessageOf } from "./message.js";
import { SessionModels } from "./models.js";
import { parseMessage } from "./parse-message.js";
import { SessionPrograms } from "./programs.js";
import { SessionReads } from "./reads.js";
import { SessionRecordings } from "./recordings.js";
import { SessionReplays } from "./replays.js";
import { SessionRuns } from "./runs.js";
import { type Connection, Sender } from "./sender.js";
import { SessionTensors } from "./tensors.js";
import { Transfers } from "./transfers.js";

/** Values wait while more than this is unread. */
const HIGH_WATER = 8 * 1024 * 1024;

/**
 * One engine seen through one connection. Ids are the client's and are bound when their message arrives;
 * nothing a client sends is waited for, and all it made is freed when the session ends.
 */
export class Session {
  readonly #host: Host;
  readonly #connection: Connection;
  readonly #sender: Sender;
  readonly #transfers = new Transfers();
  readonly #tensors: SessionTensors;
  readonly #arrivals: SessionArrivals;
  readonly #reads: SessionReads;
  readonly #programs: SessionPrograms;
  readonly #hooks: SessionHooks;
  readonly #runs: SessionRuns;
  readonly #recordings: SessionRecordings;
  readonly #replays: SessionReplays;
  readonly #models: SessionModels;
  readonly #held: HeldMessages;
  readonly #token: Uint8Array | undefined;
  #greeted = false;
  #ended = false;

  constructor(host: Host, connection: Connection) {
    const { engine, limits } = host;
    this.#host = host;
    this.#connection = connection;
    const { native } = engine;
    const release = (buffer: ArrayBufferLike) => native.release(buffer);
    const sender = new Sender(connection, HIGH_WATER, limits.maxFrameBytes, release);
    this.#sender = sender;
    const tensors = new SessionTensors(native, sender, limits);
    this.#tensors = tensors;
    this.#arrivals = new SessionArrivals(native, sender, tensors, this.#transfers);
    this.#reads = new SessionReads(native, sender, tensors, this.#transfers, limits);
    this.#programs = new SessionPrograms(engine, sender, tensors, limits);
    this.#hooks = new SessionHooks(
      {
        router: engine.hooks,
        sender,
        limits,
        programNumber: (program) => this.#programs.numberOf(program),
        runNumber: (run) => this.#runs.numberOf(run),
      },
      limits.hookCredit,
    );
    this.#replays = new SessionReplays(engine, sender, limits);
    this.#runs = new SessionRuns({
      engine,
      sender,
      tensors,
      programs: this.#programs,
      hooks: this.#hooks,
      replays: this.#replays,
      limits,
    });
    this.#recordings = new SessionRecordings(engine, sender, limits);
    this.#models = new SessionModels(engine, sender, tensors, limits);
    this.#held = new HeldMessages({
      limits,
      take: (request, message) => this.#resume(request, message),
      refuse: (request, message, error) => this.#refuse(request, message, error),
    });
    this.#token = host.bulk?.admit(this.#transfers);
  }

  /** Tells the client that somebody listens: it writes nothing before. */
  greet(): void {
    this.#sender.send(0, ["ready", { protocol: PROTOCOL_VERSION, engine: "davit" }]);
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
        this.#sender.error(frame.request, error);
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
      this.#sender.error(request, error);
    }
  }

  /** Answers a message that was held with an error, and with it what depends on it. */
  #refuse(request: number, message: Message, error: ProtocolError): void {
    const runs = message.type === "runs" ? message.runs : message.type === "run" ? [message] : [];
    const ids = runs.flatMap(({ outputs }) => outputs);
    for (const id of ids) if (id !== null) this.#tensors.defineFailed(id, error);
    if (message.type === "load") this.#programs.defineFailed(message.program, error);
    this.#sender.error(request, error);
  }

  #load(request: number, message: MessageOf<"load">): void {
    const over = this.#programs.load(request, message, () => this.#held.loaded());
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
        this.#load(request, message);
        break;
      case "unload":
        this.#programs.unload(message.program);
        break;
      case "put":
        this.#arrivals.put(request, message);
        break;
      case "open_file":
        this.#tensors.openFile(request, message);
        break;
      case "get":
        this.#reads.get(request, message);
        break;
      case "free":
        this.#tensors.free(message.tensors);
        break;
      case "run":
        this.#runs.run(request, message);
        break;
      case "runs":
        this.#runs.runAll(message, () => this.#checkBacklog());
        break;
      case "cancel":
        this.#cancel(message.request, message.reason);
        break;
      case "close_queue":
        this.#runs.closeQueue(message.queue);
        break;
      case "record":
        this.#recordings.start(request, message);
        break;
      case "stop_recording":
        this.#recordings.stop(request, message.recording);
        break;
      case "replay":
        this.#replays.open(request, message);
        break;
      case "stop_replay":
        this.#replays.stop(request, message.replay);
        break;
      case "open_model":
        this.#models.open(request, message);
        break;
      case "embed":
        this.#models.embed(request, message);
        break;
      case "close_model":
        this.#models.closeModel(message.model);
        break;
      case "subscribe":
        this.#hooks.subscribe(request, message);
        break;
      case "unsubscribe":
        this.#hooks.unsubscribe(message.subscription);
        break;
      case "consumed":
        this.#hooks.consumed(request, message.bytes);
        break;
      case "reply":
        this.#runs.callbacks.reply(this.#runs.find(message.run), message);
        break;
      case "reply_error":
        this.#runs.callbacks.replyError(this.#runs.find(message.run), message);
        break;
      case "info":
        this.#info(request);
        break;
    }
  }

  #hello(request: number, { protocol, limits }: MessageOf<"hello">): void {
    if (this.#greeted) throw new ProtocolError("hello_repeated", "the session has begun already");
    if (protocol !== PROTOCOL_VERSION) {
      throw new ProtocolError(
        "protocol_unsupported",
        `the client speaks protocol ${protocol}; expected ${PROTOCOL_VERSION}`,
        `${PROTOCOL_VERSION}`,
      );
    }
    this.#greeted = true;
    const host = this.#host;
    if (limits.hookCredit !== undefined) {
      this.#hooks.credit = Math.max(1, Math.min(limits.hookCredit, host.limits.hookCredit));
    }
    this.#sender.ok<"hello">(request, helloAnswer(host, this.#hooks.credit, this.#token));
  }

  /** Ends whatever has this request number and is not over. */
  #cancel(request: number, reason: string): void {
    this.#held.cancel(request, reason);
    this.#programs.cancel(request, reason);
    this.#runs.cancel(request, reason);
    this.#reads.cancel(request, reason);
    this.#arrivals.cancel(request, reason);
    this.#models.cancel(request, reason);
  }

  #info(request: number): void {
    const counts = { programs: this.#programs.size, tensors: this.#tensors.size };
    this.#sender.ok<"info">(request, infoAnswer(this.#host, counts));
  }

  /** A client that does not read its answers may not ask for more. */
  #checkBacklog(): void {
    const { requests, unreadBytes } = this.#host.limits;
    if (this.#open() > requests) {
      throw new ProtocolError(
        "request_limit_exceeded",
        `more than ${requests} requests have no answer yet, or transfers are not over`,
      );
    }
    if (this.#sender.pendingBytes > unreadBytes) {
      throw new ProtocolError(
        "reader_too_slow",
        `more than ${unreadBytes} bytes of answers are unread`,
      );
    }
  }

  #open(): number {
    const unanswered = this.#runs.size + this.#reads.waiting + this.#arrivals.waiting;
    return unanswered + this.#models.waiting + this.#transfers.open + this.#held.size;
  }

  /** Tells the client of something that is no answer. */
  log(level: "debug" | "info" | "warning" | "error", text: string): void {
    if (this.#greeted) this.#sender.send(0, ["log", level, shorten(text, LONGEST_LOG)]);
  }

  /** Says good-bye with a reason, and ends the session. */
  end(code: string, message: string): void {
    if (this.#ended) return;
    this.#sender.send(0, ["bye", code, message]);
    this.close();
    void this.#connection.close();
  }

  /** Frees all that the client made, and cancels its runs. For a client that is gone. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#token !== undefined) this.#host.bulk?.dismiss(this.#token);
    this.#sender.end();
    this.#held.close();
    this.#runs.close();
    this.#hooks.close();
    this.#recordings.close();
    this.#replays.close();
    this.#models.close();
    this.#tensors.close();
    this.#transfers.close();
    this.#programs.close();
  }
}

/** The longest text of a log message. */
const LONGEST_LOG = 64 * 1024;
