import { once } from "node:events";
import type { RawEvent, Summary } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import { isBytes } from "../realm.js";
import { formatType, type TensorType } from "../tensor/dtype.js";
import { formatTensor } from "../tensor/format.js";

/** Returns one event as text: a line for every operand, with its summary or, below it, its values. */
function hookLines(event: RawEvent, site: Site): string {
  const { seq, path, dropped } = event;
  const name = site.label ?? site.name ?? `${site.function}#${site.node}`;
  const loop = path.length === 0 ? "" : ` [${path.join(", ")}]`;
  const lost = dropped === 0 ? "" : ` (${dropped} left out)`;
  return event.values
    .map((value, index) => {
      const type = site.types[index] as TensorType;
      const head = `${name}${loop} #${seq} ${formatType(type)}${lost}`;
      return isBytes(value)
        ? `${head}\n${formatTensor(value, type)}`
        : `${head}  ${summaryText(value)}`;
    })
    .join("\n");
}

/** Prints an event. While a slow reader of our output catches up, the event stays in flight, and the run waits. */
export function printEvent(event: RawEvent, site: Site): unknown {
  return printTo(process.stdout, event, site);
}

/** As {@link printEvent}, on the standard error: beside an output that is to stay whole. */
export function printEventBeside(event: RawEvent, site: Site): unknown {
  return printTo(process.stderr, event, site);
}

/** Resolve when the streams have drained: one listener for all events that wait for it. */
const drained = new Map<NodeJS.WriteStream, Promise<unknown>>();

function printTo(stream: NodeJS.WriteStream, event: RawEvent, site: Site): unknown {
  if (stream.write(`${hookLines(event, site)}\n`)) return undefined;
  const waiting =
    drained.get(stream) ?? once(stream, "drain").finally(() => drained.delete(stream));
  drained.set(stream, waiting);
  return waiting;
}

function summaryText(summary: Summary): string {
  const parts = (["min", "max", "mean", "std"] as const).map(
    (key) => `${key} ${short(summary[key])}`,
  );
  for (const key of ["nan", "inf"] as const) {
    if (summary[key] > 0) parts.push(`${key} ${summary[key]}`);
  }
  return parts.join("  ");
}

function short(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(5))) : String(value);
}
