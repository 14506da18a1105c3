import type { HookValue, NativeEvent, Summary } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { CreditedSubscription, Subscriber } from "../hooks/subscription.js";
import type { ProgramId, RunId } from "../native.js";
import { isBytes } from "../realm.js";
import { Packer } from "./packer.js";
import type { Sender } from "./sender.js";
import { wireSites } from "./wire.js";

/** A longer value is an attachment. */
const INLINE_BYTES = 4096;
/** A frame of events is sent when it holds so many, or so many bytes. */
const BATCH_EVENTS = 64;
const BATCH_BYTES = 256 * 1024;
/** Bytes of a message's head: two arrays and a word. */
const START = 11;

/** What a stream needs of its session. */
export interface StreamHost {
  readonly sender: Sender;
  readonly maxFrameBytes: number;
  /** The client's number of a program, undefined where another session loaded it. */
  programNumber(program: ProgramId): number | undefined;
  /** The request number of a run, 0 where it is another session's. */
  runNumber(run: RunId): number;
  /** The stream holds events that are to be sent before the batch ends. */
  gather(stream: EventStream): void;
}

/** Memory for messages, used again: a run's stream lives shortly, and most have one message. */
const free: Packer[] = [];
const MOST_FREE = 8;

/**
 * The events of one subscription, or of one run, on their way to the client, in batches. A subscription's stream
 * declares sites before their first event; a run's uses the numbers that its client knows from `load`.
 */
export class EventStream implements Subscriber {
  subscription: CreditedSubscription | undefined;
  #packer: Packer | undefined;
  #count = 0;
  #cost = 0;
  #attachments: Uint8Array[] = [];
  #attached = 0;
  readonly #batchBytes: number;
  /** The index of each declared site; forgotten with its program. */
  readonly #declared = new WeakMap<Site, number>();
  #nextIndex = 0;

  constructor(
    /** The request number of the subscription or run. */
    readonly request: number,
    private readonly host: StreamHost,
    /** For a run's stream: the event's `subscription` for each of the run's specs. */
    private readonly numbers?: readonly number[],
  ) {
    this.#batchBytes = Math.min(BATCH_BYTES, host.maxFrameBytes / 4);
  }

  onEvent(event: NativeEvent, site: Site, index: number): void {
    const { numbers } = this;
    const at = numbers === undefined ? this.#declare(event.program, site) : site.number;
    if (this.#packer === undefined) this.host.gather(this);
    this.#packer ??= takePacker();
    const packer = this.#packer;
    packer.array(7);
    packer.integer(at);
    packer.integer(numbers === undefined ? 0 : (numbers[index] as number));
    packer.integer(numbers === undefined ? this.host.runNumber(event.run) : this.request);
    packer.integer(event.seq);
    packer.array(event.path.length);
    for (const iteration of event.path) packer.integer(iteration);
    packer.integer(event.dropped);
    packer.array(event.values.length);
    // With what else the frame holds, values of half a frame always fit.
    let room = this.host.maxFrameBytes / 2;
    for (const value of event.values) {
      const bytes = isBytes(value) ? value.length : summaryBytes(value);
      if (bytes > room) {
        packer.array(2);
        packer.ascii("omitted");
        packer.integer(bytes);
      } else {
        room -= bytes;
        this.#value(packer, value);
      }
    }
    this.#count++;
    this.#cost += event.cost;
    const gathered = packer.length + this.#attached;
    if (this.#count >= BATCH_EVENTS || gathered >= this.#batchBytes) this.flush();
  }

  /** The index of a site in this stream; tells the client of it the first time. */
  #declare(program: ProgramId, site: Site): number {
    const known = this.#declared.get(site);
    if (known !== undefined) return known;
    const index = this.#nextIndex++;
    this.#declared.set(site, index);
    const number = this.host.programNumber(program);
    const table = wireSites([site]);
    const wired = table.sites.map((one) => ({ index, program: number, ...one }));
    this.host.sender.send(this.request, ["sites", { ...table, sites: wired }]);
    return index;
  }

  /** Sends what was gathered. */
  flush(): void {
    if (this.#packer === undefined) return;
    this.#packer.patch16(START - 2, this.#count);
    this.#packer.integer(this.#cost);
    this.host.sender.sendEncoded(this.request, this.#packer.bytes, this.#attachments);
    if (free.length < MOST_FREE) free.push(this.#packer);
    this.#packer = undefined;
    this.#count = 0;
    this.#cost = 0;
    this.#attachments = [];
    this.#attached = 0;
  }

  #value(packer: Packer, value: HookValue): void {
    if (!isBytes(value)) packSummary(packer, value);
    else if (value.length <= INLINE_BYTES) packer.binary(value);
    else {
      packer.array(2);
      packer.ascii("attachment");
      packer.integer(this.#attachments.length);
      this.#attachments.push(value);
      this.#attached += value.length;
    }
  }
}

/** A packer that holds the head of an `events` message. */
function takePacker(): Packer {
  const packer = free.pop() ?? new Packer(1024);
  packer.truncate(0);
  packer.array(3);
  packer.ascii("events");
  // The head of the longest array there may be; its count is set when the frame is sent.
  packer.array(0xffff);
  return packer;
}

/** What a summary counts for: as much as its credit. */
function summaryBytes({ histogram }: Summary): number {
  return 8 * (7 + histogram.length);
}

function packSummary(packer: Packer, summary: Summary): void {
  packer.map(8);
  packer.ascii("count");
  packer.integer(summary.count);
  packer.ascii("min");
  packer.float(summary.min);
  packer.ascii("max");
  packer.float(summary.max);
  packer.ascii("mean");
  packer.float(summary.mean);
  packer.ascii("std");
  packer.float(summary.std);
  packer.ascii("nan");
  packer.integer(summary.nan);
  packer.ascii("inf");
  packer.integer(summary.inf);
  packer.ascii("histogram");
  packer.array(summary.histogram.length);
  for (const count of summary.histogram) packer.integer(count);
}
