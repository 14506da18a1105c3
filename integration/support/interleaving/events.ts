import type { Summary } from "../../../src/hooks/event.js";
import { floats } from "../../../test/support/client.js";
import type { Vector } from "./programs.js";
import type { Observed } from "./verify.js";

/** What events need to know of a site. */
export interface WireSite {
  readonly name?: string;
  readonly label?: string;
}

/** An event as it travels, without the numbers that say whose it is; `bytes` is what it costs beside 64. */
export function readEvent(
  site: WireSite | undefined,
  // biome-ignore lint/suspicious/noExplicitAny: as it came
  [seq, path, dropped, raw]: readonly any[],
  attachments: readonly Uint8Array[],
): { event: Observed; bytes: number } {
  const values = (raw as unknown[]).map((value) => readValue(value, attachments));
  const bytes = values.reduce((total, value) => total + value.bytes, 0);
  const event = {
    name: site?.name,
    label: site?.label,
    seq,
    path,
    dropped,
    values: values.map(({ value }) => value),
  };
  return { event, bytes };
}

function readValue(
  value: unknown,
  attachments: readonly Uint8Array[],
): { value: Vector | Summary; bytes: number } {
  if (value instanceof Uint8Array) return { value: floats(value), bytes: value.length };
  if (Array.isArray(value)) {
    const bytes = attachments[value[1]] as Uint8Array;
    return { value: floats(bytes), bytes: bytes.length };
  }
  const summary = value as Summary;
  return { value: summary, bytes: 8 * (7 + summary.histogram.length) };
}
