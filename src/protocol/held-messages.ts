import { type Accesses, accessesOf } from "./accesses.js";
import { ProtocolError } from "./error.js";
import type { Message, MessageOf } from "./message.js";

/** The cost of a held message beside its bytes. */
const OVERHEAD = 256;

/** The parts of a session that held messages need. */
export interface HeldHost {
  readonly limits: { readonly heldBytes: number };
  /** Does what a message says; answers errors itself. */
  take(request: number, message: Message): void;
  /** Answers a message with an error instead. */
  refuse(request: number, message: Message, error: ProtocolError): void;
}

/** A message that waits for its turn. */
interface Held {
  readonly request: number;
  readonly message: Message;
  readonly accesses: Accesses;
  readonly bytes: number;
  /** Of a run with a timeout: when it is over, and what tells of it. */
  readonly deadline: number;
  readonly timer: NodeJS.Timeout | undefined;
}

/**
 * Messages that came while a program is being loaded, and that depend on it: they need the program, or something that
 * another one of them makes, or end something that another one needs. They are taken in their order when the program is
 * there; everything else is taken at once.
 */
export class HeldMessages {
  readonly #host: HeldHost;
  #loading: Accesses | undefined;
  #held: Held[] = [];
  #bytes = 0;
  /** The names that the load and held messages refer to: true where one of them changes it. */
  readonly #names = new Map<string, boolean>();

  constructor(host: HeldHost) {
    this.#host = host;
  }

  /** The number of messages that wait, with a load that is under way. */
  get size(): number {
    return this.#held.length + (this.#loading === undefined ? 0 : 1);
  }

  /** A program is being loaded in later turns, until {@link loaded}. */
  loading(message: MessageOf<"load"> | MessageOf<"load_kept">): void {
    this.#loading = accessesOf(message);
    this.#note(this.#loading);
  }

  /** The program is there, or failed to load: what waited for it has its turn. */
  loaded(): void {
    this.#loading = undefined;
    this.#resume();
  }

  /** Tells whether a message has to wait. */
  mustWait(message: Message): boolean {
    return this.size > 0 && this.#conflicts(accessesOf(message));
  }

  /**
   * Keeps a message, of which nothing may change any more, until it has its turn. `bytes` is the length of its frame.
   * @throws ProtocolError `request_limit_exceeded`
   */
  add(request: number, message: Message, bytes: number): void {
    const { heldBytes } = this.#host.limits;
    if (this.#bytes + bytes + OVERHEAD > heldBytes) {
      throw new ProtocolError(
        "request_limit_exceeded",
        `more than ${heldBytes} bytes of messages wait for a program to be loaded`,
      );
    }
    const timeout = message.type === "run" ? message.timeout : undefined;
    const held: Held = {
      request,
      message,
      accesses: accessesOf(message),
      bytes: bytes + OVERHEAD,
      deadline: performance.now() + (timeout ?? 0),
      timer: timeout === undefined ? undefined : setTimeout(() => this.#expire(held), timeout),
    };
    this.#keep(held);
  }

  /** Takes `cancel`. */
  cancel(request: number, reason: string): void {
    const held = this.#held.find((one) => one.request === request && request > 0);
    if (held !== undefined) this.#refuse(held, new ProtocolError("cancelled", reason));
  }

  /** The session ends. */
  close(): void {
    for (const { timer } of this.#held) clearTimeout(timer);
    this.#held = [];
    this.#loading = undefined;
  }

  #expire(held: Held): void {
    const { timeout } = held.message as { timeout?: number };
    this.#refuse(held, new ProtocolError("timeout", `the run was not over after ${timeout} ms`));
  }

  #refuse(held: Held, error: ProtocolError): void {
    clearTimeout(held.timer);
    this.#held = this.#held.filter((one) => one !== held);
    this.#host.refuse(held.request, held.message, error);
    this.#resume();
  }

  /** Takes what has to wait no longer, in order. */
  #resume(): void {
    const waiting = this.#held;
    this.#held = [];
    this.#bytes = 0;
    this.#names.clear();
    if (this.#loading !== undefined) this.#note(this.#loading);
    for (const held of waiting) {
      if (this.#conflicts(held.accesses)) this.#keep(held);
      else this.#release(held);
    }
  }

  #release({ request, message, deadline, timer }: Held): void {
    if (timer !== undefined && message.type === "run") {
      clearTimeout(timer);
      message.timeout = Math.max(1, Math.ceil(deadline - performance.now()));
    }
    this.#host.take(request, message);
  }

  #keep(held: Held): void {
    this.#held.push(held);
    this.#bytes += held.bytes;
    this.#note(held.accesses);
  }

  #note({ uses, changes }: Accesses): void {
    for (const name of uses) if (!this.#names.has(name)) this.#names.set(name, false);
    for (const name of changes) this.#names.set(name, true);
  }

  #conflicts({ uses, changes }: Accesses): boolean {
    return (
      uses.some((name) => this.#names.get(name) === true) ||
      changes.some((name) => this.#names.has(name))
    );
  }
}
