import { decodeMessage, encodeMessage } from "../../src/client/message.js";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import type { Graph } from "../../src/graph/graph.js";

/** A message of the engine. */
export interface Received {
  readonly request: number;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly args: readonly any[];
  readonly attachments: readonly Uint8Array[];
}

/** A small client of the protocol. Takes frames as they come, and sends them wherever it is told to. */
export class TestClient {
  /** Everything that came, in order. */
  readonly received: Received[] = [];
  readonly #send: (payload: Uint8Array) => void;
  #waiting: (() => void)[] = [];
  #next = 1;
  #ended: string | undefined;

  constructor(send: (payload: Uint8Array) => void) {
    this.#send = send;
  }

  /** Takes one frame of the engine. */
  take(payload: Uint8Array): void {
    this.received.push(decodeMessage(Uint8Array.from(payload)));
    for (const check of this.#waiting.splice(0)) check();
  }

  /** Nothing more comes: whoever waits is told why. */
  end(reason: string): void {
    this.#ended = reason;
    for (const check of this.#waiting.splice(0)) check();
  }

  /** Sends a request; the result is its number. */
  send(message: readonly unknown[], attachments: readonly Uint8Array[] = []): number {
    const request = this.#next++;
    this.tell(message, attachments, request);
    return request;
  }

  /** Sends a message that has no answer. */
  tell(message: readonly unknown[], attachments: readonly Uint8Array[] = [], request = 0): void {
    this.#send(Buffer.concat(encodeMessage(request, message, attachments)));
  }

  /** Sends bytes as they are. */
  raw(payload: Uint8Array): void {
    this.#send(payload);
  }

  /** Resolves with the first message, of those that came and those to come, that fits. */
  async find(fits: (message: Received) => boolean): Promise<Received> {
    for (;;) {
      const found = this.received.find(fits);
      if (found !== undefined) return found;
      if (this.#ended !== undefined) throw new Error(this.#ended);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves with a request's answer. */
  answer(request: number): Promise<Received> {
    return this.find((one) => one.request === request && ["ok", "error"].includes(one.type));
  }

  /** Sends a request; resolves with its answer. */
  ask(message: readonly unknown[], attachments: readonly Uint8Array[] = []): Promise<Received> {
    return this.answer(this.send(message, attachments));
  }

  /** Sends a request; resolves with its result, rejects with its error. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  async result(message: readonly unknown[], attachments: readonly Uint8Array[] = []): Promise<any> {
    const { type, args } = await this.ask(message, attachments);
    if (type === "error") throw Object.assign(new Error(args[0].message), args[0]);
    return args[0];
  }

  /** Begins the session. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  hello(limits?: Record<string, number>): Promise<any> {
    return this.result(["hello", { protocol: 1, client: "test", limits }]);
  }

  /** Loads a graph. */
  load(
    program: number,
    graph: Graph,
    constants: Record<string, number> = {},
    externals: Record<string, number> = {},
  ) {
    return this.result(["load", program, constants, externals], [encodeGraph(graph)]);
  }
}

/** The bytes of float32 values. */
export function f32(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** The float32 values of bytes. */
export function floats(bytes: Uint8Array | undefined): number[] {
  return [...new Float32Array(Uint8Array.from(bytes ?? []).buffer)];
}
