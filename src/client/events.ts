import type { HookValue, RawEvent, Summary } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { WireSites, WireType } from "../protocol/wire.js";
import type { Dtype, TensorType } from "../tensor/dtype.js";
import type { EngineMessage } from "./message.js";

/** What an event costs beside its values, in bytes of hook credit. */
const EVENT_COST = 64;

/** An event, its site, and the bytes that it holds of the subscription's credit until it is consumed. */
export interface ReceivedEvent {
  readonly event: RawEvent;
  readonly site: Site;
  readonly cost: number;
}

/** The events of one subscription, put together from its `sites` and `events` messages. */
export class EventReader {
  readonly #sites = new Map<number, { readonly site: Site; readonly program: number }>();

  /** Takes a `sites` message: later events refer to what it declares. */
  declare({ args }: EngineMessage): void {
    for (const { index, program, ...site } of readSites(args[0])) {
      this.#sites.set(index, { site, program: program ?? 0 });
    }
  }

  /** Reads an `events` message. Values are copied: the frame's memory is not kept. */
  *read({ args, attachments }: EngineMessage): Generator<ReceivedEvent> {
    // biome-ignore lint/suspicious/noExplicitAny: as they came
    for (const [index, , run, seq, path, dropped, raw] of args[0] as readonly (readonly any[])[]) {
      const declared = this.#sites.get(index);
      if (declared === undefined) continue;
      const values = (raw as unknown[]).map((value) => readValue(value, attachments));
      const cost = values.reduce((sum, value) => sum + value.bytes, EVENT_COST);
      const { site, program } = declared;
      const event = { program, run, seq, path, dropped, values: values.map(({ value }) => value) };
      yield { event, site, cost };
    }
  }
}

/** A site as it came: `index` and `program` are there in a subscription's stream. */
type ReadSite = Site & { readonly index: number; readonly program?: number };

/** Reads sites: functions and types are told once, and sites name them by their index. */
export function readSites({ functions, types, sites }: WireSites): ReadSite[] {
  const typesOf = (indexes: readonly number[]) =>
    indexes.map((index): TensorType => {
      const [dtype, shape] = types[index] as WireType;
      return { dtype: dtype as Dtype, shape };
    });
  return sites.map(({ site: number, kind, ...site }) => ({
    ...(site as unknown as ReadSite),
    number: number as number,
    kind: kind as Site["kind"],
    function: functions[site.function as number] as string,
    types: typesOf(site.types as number[]),
    ...(site.operands === undefined ? {} : { operands: typesOf(site.operands as number[]) }),
  }));
}

function readValue(
  value: unknown,
  attachments: readonly Uint8Array[],
): { readonly value: HookValue; readonly bytes: number } {
  if (value instanceof Uint8Array) return { value: value.slice(), bytes: value.length };
  if (Array.isArray(value)) {
    const [kind, number] = value as [string, number];
    // A value longer than half a frame does not travel; its size was charged all the same.
    if (kind === "omitted") return { value: new Uint8Array(0), bytes: number };
    const bytes = (attachments[number] as Uint8Array).slice();
    return { value: bytes, bytes: bytes.length };
  }
  const summary = value as Summary;
  return { value: summary, bytes: 8 * (7 + summary.histogram.length) };
}
