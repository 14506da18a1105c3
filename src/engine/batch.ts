import type { CallbackRequest, CallbackValue, HookValue, NativeEvent } from "../hooks/event.js";
import type { NativeBatch, RunId } from "../native.js";

/** A run that is over; `code` is absent where it succeeded. */
export interface FinishedRecord {
  readonly run: RunId;
  readonly code?: string;
  readonly message?: string;
  /** The site of the node at fault, -1 where none is known. */
  readonly site: number;
}

/** Takes what a batch holds, in order. */
export interface BatchSink {
  onFinished(record: FinishedRecord): void;
  onEvent(record: NativeEvent): void;
  onCallback(request: CallbackRequest): void;
  onBatchEnd(): void;
}

const FINISHED = 0;
const EVENT = 1;

const NO_PATH: readonly number[] = Object.freeze([]);

/** Reads a batch of the native outbox; `native/engine/outbox.h` has the layout of its words. */
export function readBatch(batch: NativeBatch, sink: BatchSink): void {
  const reader = new BatchReader(batch);
  while (!reader.atEnd()) {
    const kind = reader.next();
    if (kind === FINISHED) sink.onFinished(reader.finished());
    else if (kind === EVENT) sink.onEvent(reader.event());
    else sink.onCallback(reader.callback());
  }
  sink.onBatchEnd();
}

class BatchReader {
  readonly #words: Float64Array;
  readonly #end: number;
  readonly #bytes: ArrayBuffer | undefined;
  readonly #blobs: readonly ArrayBuffer[] | undefined;
  readonly #texts: readonly string[] | undefined;
  #at = 0;

  constructor(batch: NativeBatch) {
    [this.#words, this.#end, this.#bytes, this.#blobs, this.#texts] = batch;
  }

  atEnd(): boolean {
    return this.#at >= this.#end;
  }

  next(): number {
    return this.#words[this.#at++] as number;
  }

  finished(): FinishedRecord {
    const run = this.next();
    const failed = this.next() === 1;
    const code = this.next();
    const message = this.next();
    const site = this.next();
    if (!failed) return { run, site };
    const texts = this.#texts as readonly string[];
    return { run, site, code: texts[code] as string, message: texts[message] as string };
  }

  event(): NativeEvent {
    const subscription = this.next();
    const run = this.next();
    const program = this.next();
    const site = this.next();
    const seq = this.next();
    const dropped = this.next();
    const cost = this.next();
    const path = this.path();
    const values: HookValue[] = new Array(this.next());
    for (let i = 0; i < values.length; i++) values[i] = this.value();
    return { subscription, run, program, site, seq, path, dropped, cost, values };
  }

  callback(): CallbackRequest {
    const run = this.next();
    const program = this.next();
    const site = this.next();
    const seq = this.next();
    const callback = this.next();
    const path = this.path();
    const values: CallbackValue[] = new Array(this.next());
    for (let i = 0; i < values.length; i++) values[i] = this.callbackValue();
    return { run, program, site, seq, callback, path, values };
  }

  path(): readonly number[] {
    const length = this.next();
    return length === 0 ? NO_PATH : this.list(length);
  }

  list(length: number): number[] {
    const items: number[] = new Array(length);
    for (let i = 0; i < length; i++) items[i] = this.next();
    return items;
  }

  callbackValue(): CallbackValue {
    const form = this.next();
    return form === 3 ? this.next() : this.byteValue(form);
  }

  byteValue(form: number): Uint8Array {
    if (form === 1) return new Uint8Array(this.#blobs?.[this.next()] as ArrayBuffer);
    const offset = this.next();
    return new Uint8Array(this.#bytes as ArrayBuffer, offset, this.next());
  }

  value(): HookValue {
    const form = this.next();
    if (form !== 2) return this.byteValue(form);
    const [count, min, max, mean, std, nan, inf] = this.list(7) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { count, min, max, mean, std, nan, inf, histogram: this.list(this.next()) };
  }
}
