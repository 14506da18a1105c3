import type { WireType } from "../contract/engine-messages.js";
import type { HookValue, RawEvent, Summary } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { WireSites } from "../protocol/wire.js";
import type { Dtype, TensorType } from "../tensor/dtype.js";
import type { EngineMessageOf } from "./message.js";

/** An event and its site. */
export interface ReceivedEvent {
  readonly event: RawEvent;
  readonly site: Site;
}

/** The events of one subscription, put together from its `sites` and `events` messages. */
export class EventReader {
  readonly #sites = new Map<number, { readonly site: Site; readonly program: number }>();

  /** Takes a `sites` message: later events refer to what it declares. */
  declare({ args: [sites] }: EngineMessageOf<"sites">): void {
    for (const { index, program, ...site } of readSites(sites)) {
      this.#sites.set(index as number, { site, program: program ?? 0 });
    }
  }

  /** Reads an `events` message. Values are copied: the frame's memory is not kept. */
  *read({ args: [events], attachments }: EngineMessageOf<"events">): Generator<ReceivedEvent> {
    for (const [index, , run, seq, path, dropped, raw] of events) {
      const declared = this.#sites.get(index);
      if (declared === undefined) continue;
      const values = raw.map((value) => readValue(value, attachments));
      const { site, program } = declared;
      yield { event: { program, run, seq, path, dropped, values }, site };
    }
  }
}

/** A site as it came: `index` and `program` are there in a subscription's stream. */
type ReadSite = Site & { readonly index?: number; readonly program?: number | undefined };

/** Reads sites: functions and types are told once, and sites name them by their index. */
export function readSites({ functions, types, sites }: WireSites): ReadSite[] {
  const typesOf = (indexes: readonly number[]) =>
    indexes.map((index): TensorType => {
      const [dtype, shape] = types[index] as WireType;
      return { dtype: dtype as Dtype, shape };
    });
  return sites.map(({ operands, ...site }) => ({
    ...site,
    function: functions[site.function] as string,
    types: typesOf(site.types),
    ...(operands === undefined ? {} : { operands: typesOf(operands) }),
  }));
}

function readValue(value: unknown, attachments: readonly Uint8Array[]): HookValue {
  if (value instanceof Uint8Array) return value.slice();
  if (!Array.isArray(value)) return value as Summary;
  const [kind, number] = value as [string, number];
  // A value longer than half a frame does not travel.
  return kind === "omitted" ? new Uint8Array(0) : (attachments[number] as Uint8Array).slice();
}
