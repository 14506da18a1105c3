import type { HookValue, NativeEvent, Summary } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { CreditedSubscription, Subscriber } from "../hooks/subscription.js";
import { MsgpackWriter } from "../msgpack/writer.js";
import type { ProgramId, RunId } from "../native.js";
import { isBytes } from "../realm.js";
import type { Sender } from "./sender.js";
import { wireSites } from "./wire.js";

/** A longer value is an attachment. */
const INLINE_BYTES = 4096;
/** A frame of events is sent when it holds so many, or so many bytes. */
const BATCH_EVENTS = 64;
const BATCH_BYTES = 256 * 1024;
/** Bytes of a message's head: two arrays and a word. */
const START = 11;

/** The parts of a session that a stream needs. */
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
const free: MsgpackWriter[] = [];
const MOST_FREE = 8;

/**
 * The events of one subscription, or of one run, on their way to the client, in batches. A subscription's stream
 * declares sites before their first event; a run's uses the numbers that its client knows from `load`.
 */
export class EventStream implements Subscriber {
  subscription: CreditedSubscription | undefined;
  #writer: MsgpackWriter | undefined;
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
    if (this.#writer === undefined) this.host.gather(this);
    this.#writer ??= takeWriter();
    const writer = this.#writer;
    writer.array(7);
    writer.integer(at);
    writer.integer(numbers === undefined ? 0 : (numbers[index] as number));
    writer.integer(numbers === undefined ? this.host.runNumber(event.run) : this.request);
    writer.integer(event.seq);
    writer.array(event.path.length);
    for (const iteration of event.path) writer.integer(iteration);
    writer.integer(event.dropped);
    writer.array(event.values.length);
    // With what else the frame holds, values of half a frame always fit.
    let room = this.host.maxFrameBytes / 2;
    for (const value of event.values) {
      const bytes = isBytes(value) ? value.length : summaryBytes(value);
      if (bytes > room) {
        writer.array(2);
        writer.ascii("omitted");
        writer.integer(bytes);
      } else {
        room -= bytes;
        this.#value(writer, value);
      }
    }
    this.#count++;
    this.#cost += event.cost;
    const gathered = writer.length + this.#attached;
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
    if (this.#writer === undefined) return;
    this.#writer.patch16(START - 2, this.#count);
    this.#writer.integer(this.#cost);
    this.host.sender.sendEncoded(this.request, this.#writer.written, this.#attachments);
    if (free.length < MOST_FREE) free.push(this.#writer);
    this.#writer = undefined;
    this.#count = 0;
    this.#cost = 0;
    this.#attachments = [];
    this.#attached = 0;
  }

  #value(writer: MsgpackWriter, value: HookValue): void {
    if (!isBytes(value)) packSummary(writer, value);
    else if (value.length <= INLINE_BYTES) writer.binary(value);
    else {
      writer.array(2);
      writer.ascii("attachment");
      writer.integer(this.#attachments.length);
      this.#attachments.push(value);
      this.#attached += value.length;
    }
  }
}

/** A writer that holds the head of an `events` message. */
function takeWriter(): MsgpackWriter {
  const writer = free.pop() ?? new MsgpackWriter(1024);
  writer.truncate(0);
  writer.array(3);
  writer.ascii("events");
  // The head of the longest array there may be; its count is set when the frame is sent.
  writer.array(0xffff);
  return writer;
}

/** The bytes that a summary counts for: as many as its credit. */
function summaryBytes({ histogram }: Summary): number {
  return 8 * (7 + histogram.length);
}

function packSummary(writer: MsgpackWriter, summary: Summary): void {
  writer.map(8);
  writer.ascii("count");
  writer.integer(summary.count);
  writer.ascii("min");
  writer.float(summary.min);
  writer.ascii("max");
  writer.float(summary.max);
  writer.ascii("mean");
  writer.float(summary.mean);
  writer.ascii("std");
  writer.float(summary.std);
  writer.ascii("nan");
  writer.integer(summary.nan);
  writer.ascii("inf");
  writer.integer(summary.inf);
  writer.ascii("histogram");
  writer.array(summary.histogram.length);
  for (const count of summary.histogram) writer.integer(count);
}
