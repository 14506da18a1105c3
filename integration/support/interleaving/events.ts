import type { Summary } from "../../../src/hooks/event.js";
import { floats } from "../../../test/support/client.js";
import type { Vector } from "./programs.js";
import type { Observed } from "./verify.js";

/** What events need to know of a site. */
export interface WireSite {
  readonly name?: string;
  readonly label?: string;
}

/** An event as it travels, without the numbers that say whose it is. */
export function readEvent(
  site: WireSite | undefined,
  // biome-ignore lint/suspicious/noExplicitAny: as it came
  [seq, path, dropped, raw]: readonly any[],
  attachments: readonly Uint8Array[],
): Observed {
  const values = (raw as unknown[]).map((value) => readValue(value, attachments));
  return { name: site?.name, label: site?.label, seq, path, dropped, values };
}

function readValue(value: unknown, attachments: readonly Uint8Array[]): Vector | Summary {
  if (value instanceof Uint8Array) return floats(value);
  if (Array.isArray(value)) return floats(attachments[value[1]] as Uint8Array);
  return value as Summary;
}
