import type { EventRecord, HookValue, Summary } from "../hooks/event.js";
import type { Watch, Watcher } from "../hooks/router.js";
import type { Site } from "../hooks/site.js";
import type { ProgramId, RunId } from "../native.js";
import { Packer } from "./packer.js";
import type { Sender } from "./sender.js";
import { wireSite } from "./wire.js";

/** A longer value is an attachment. */
const INLINE_BYTES = 4096;
/** A frame of events is sent when it holds so many, or so many bytes. */
const BATCH_EVENTS = 64;
const BATCH_BYTES = 256 * 1024;

/** What a stream needs of its session. */
export interface StreamHost {
  readonly sender: Sender;
  readonly maxFrameBytes: number;
  /** The client's number of a program, undefined where another session loaded it. */
  programNumber(program: ProgramId): number | undefined;
  /** The request number of a run, 0 where it is another session's. */
  runNumber(run: RunId): number;
  /** The stream holds events that must be sent before the batch ends. */
  gather(stream: EventStream): void;
}

/** The events of one subscription, or of one run, on their way to the client: declares sites, and sends in batches. */
export class EventStream implements Watcher {
  watch: Watch | undefined;
  readonly #packer = new Packer(1024);
  readonly #start: number;
  #count = 0;
  #attachments: Uint8Array[] = [];
  #attached = 0;
  /** The index of each declared site, by program and site. */
  readonly #declared = new Map<ProgramId, Map<number, number>>();
  #nextIndex = 0;

  constructor(
    /** The request number of the subscription or run. */
    readonly request: number,
    private readonly host: StreamHost,
    /** The event's `subscription` for each of a run's requests; a subscription's own is 0. */
    private readonly numbers: readonly number[] = [0],
  ) {
    this.#packer.array(2);
    this.#packer.ascii("events");
    // The head of the longest array there may be; its count is set when the frame is sent.
    this.#packer.array(0xffff);
    this.#start = this.#packer.length;
  }

  onEvent(event: EventRecord, site: Site, index: number): void {
    const at = this.declare(event.program, site);
    if (this.#count === 0) this.host.gather(this);
    const packer = this.#packer;
    packer.array(7);
    packer.integer(at);
    packer.integer(this.numbers[index] as number);
    packer.integer(this.host.runNumber(event.run));
    packer.integer(event.seq);
    packer.array(event.path.length);
    for (const iteration of event.path) packer.integer(iteration);
    packer.integer(event.dropped);
    packer.array(event.values.length);
    for (const value of event.values) this.#value(value);
    this.#count++;
    if (this.#count >= BATCH_EVENTS || packer.length + this.#attached >= BATCH_BYTES) this.flush();
  }

  /** The index of a site in this stream; tells the client of it the first time. */
  declare(program: ProgramId, site: Site): number {
    let sites = this.#declared.get(program);
    if (sites === undefined) {
      sites = new Map();
      this.#declared.set(program, sites);
    }
    const known = sites.get(site.site);
    if (known !== undefined) return known;
    const index = this.#nextIndex++;
    sites.set(site.site, index);
    const number = this.host.programNumber(program);
    this.host.sender.send(this.request, ["sites", [{ index, program: number, ...wireSite(site) }]]);
    return index;
  }

  /** Sends what was gathered. */
  flush(): void {
    if (this.#count === 0) return;
    this.#packer.patch16(this.#start - 2, this.#count);
    this.host.sender.sendEncoded(this.request, this.#packer.bytes, this.#attachments);
    this.#packer.truncate(this.#start);
    this.#count = 0;
    this.#attachments = [];
    this.#attached = 0;
  }

  #value(value: HookValue): void {
    const packer = this.#packer;
    if (!(value instanceof Uint8Array)) this.#summary(value);
    else if (value.length <= INLINE_BYTES) packer.binary(value);
    else {
      packer.array(2);
      // With what else the frame holds, a value of half a frame always fits.
      if (value.length > this.host.maxFrameBytes / 2) {
        packer.ascii("omitted");
        packer.integer(value.length);
        return;
      }
      packer.ascii("attachment");
      packer.integer(this.#attachments.length);
      this.#attachments.push(value);
      this.#attached += value.length;
    }
  }

  #summary(summary: Summary): void {
    const packer = this.#packer;
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
}
