import type { Host } from "../../../src/protocol/host.js";
import type { Connection } from "../../../src/protocol/sender.js";
import { Session } from "../../../src/protocol/session.js";

/** A part of this length or more is read when its frame leaves, as over a real port. */
const LONG = 8 * 1024;
/** Frames count for so much more than they are, so that a few of them make a slow reader. */
const WEIGHT = 16 * 1024;
const LOW_WATER = 1024 * 1024;

/** What happens at the ends of a link. */
export interface LinkEnds {
  /** Something can go on. */
  onActivity(): void;
  /** Something happened that must not. */
  onFault(fault: string): void;
}

/** A connection between a client and its session. Frames wait at both ends until they are let through. */
export class Link implements Connection {
  readonly #session: Session;
  readonly #ends: LinkEnds;
  readonly #toEngine: { readonly frame: Uint8Array; readonly onTaken?: () => void }[] = [];
  readonly #toClient: (readonly Uint8Array[])[] = [];
  readonly #drains: (() => void)[] = [];
  /** Subscriptions that the engine has ended: nothing may come for them. */
  readonly #silent = new Set<number>();
  #bytes = 0;
  #ended = false;

  constructor(host: Host, ends: LinkEnds) {
    this.#ends = ends;
    this.#session = new Session(host, this);
  }

  /** Frames on their way, to the engine and to the client. */
  get waiting(): readonly [number, number] {
    return [this.#toEngine.length, this.#toClient.length];
  }

  /** For the client: a frame sets out. */
  send(frame: Uint8Array, onTaken?: () => void): void {
    this.#toEngine.push(onTaken === undefined ? { frame } : { frame, onTaken });
  }

  /** Lets so many frames reach the engine; how many there were. */
  push(most: number): number {
    const frames = this.#toEngine.splice(0, most);
    for (const { frame, onTaken } of frames) {
      this.#session.receive(frame);
      // The session has no right to it any more.
      frame.fill(0xee);
      onTaken?.();
    }
    return frames.length;
  }

  /** Lets a frame reach the client. */
  take(): Uint8Array | undefined {
    const parts = this.#toClient.shift();
    if (parts === undefined) return undefined;
    const frame = Buffer.concat(parts);
    this.#bytes -= frame.length;
    if (this.pendingBytes <= LOW_WATER) for (const resolve of this.#drains.splice(0)) resolve();
    return frame;
  }

  /** For the client: the engine has ended a subscription. */
  silence(request: number): void {
    this.#silent.add(request);
  }

  /** The client is gone, with what was on its way. */
  cut(): void {
    this.#ended = true;
    this.#toEngine.length = 0;
    this.#session.close();
  }

  write(parts: Uint8Array | readonly Uint8Array[]): boolean {
    const list = parts instanceof Uint8Array ? [parts] : parts;
    const [head] = list as [Uint8Array];
    const request = new DataView(head.buffer, head.byteOffset).getUint32(4);
    if (this.#ended) this.#ends.onFault(`a frame for ${request} was written after the end`);
    if (this.#silent.has(request)) this.#ends.onFault(`a frame came for ${request}, which is over`);
    this.#toClient.push(list.map((part) => (part.length < LONG ? part.slice() : part)));
    for (const { length } of list) this.#bytes += length;
    this.#ends.onActivity();
    return this.pendingBytes <= LOW_WATER;
  }

  get pendingBytes(): number {
    return this.#bytes * WEIGHT;
  }

  drain(): Promise<void> {
    return new Promise((resolve) => {
      if (this.pendingBytes <= LOW_WATER) resolve();
      else this.#drains.push(resolve);
    });
  }

  async close(): Promise<void> {
    this.#ended = true;
  }
}
