import type { Figure, Measured, Target } from "./figure.js";
import { round } from "./stats.js";

/** A figure as `--json` prints it. */
export interface Entry {
  /** Absent where it could not be measured. */
  readonly value?: number;
  readonly unit: string;
  readonly floor?: number;
  readonly ratio?: number;
  readonly details?: Readonly<Record<string, number>>;
  readonly target?: string;
  readonly met?: boolean;
  /** Why it has no floor and no ratio on this machine. */
  readonly lacking?: string;
  /** Why it cannot be measured on this machine. */
  readonly unavailable?: string;
  /** What went wrong. */
  readonly failed?: string;
}

/** Rounds the numbers of a figure, and says whether it reached its target. */
export function entry({ unit, target }: Figure, measured: Measured): Entry {
  const { value, floor, ratio, lacking, details } = measured;
  return {
    value: round(value),
    unit,
    ...(floor === undefined ? {} : { floor: round(floor) }),
    ...(ratio === undefined ? {} : { ratio: round(ratio) }),
    ...(details === undefined ? {} : { details: roundAll(details) }),
    ...(target === undefined ? {} : { target: targetText(target) }),
    ...(target === undefined || lacking !== undefined ? {} : { met: isMet(target, measured) }),
    ...(lacking === undefined ? {} : { lacking }),
  };
}

const roundAll = (details: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(details).map(([name, value]) => [name, round(value)]));

function targetText({ of, bound, atLeast }: Target): string {
  return `${of} ${atLeast ? ">=" : "<="} ${bound}`;
}

function isMet({ of, bound, atLeast }: Target, measured: Measured): boolean {
  const reached = measured[of];
  if (reached === undefined) throw new Error(`there is no ${of} to hold against ${bound}`);
  return atLeast ? reached >= bound : reached <= bound;
}

const WIDTHS = [18, 14, 12, 8, 20] as const;
const row = (cells: readonly string[]) =>
  cells
    .map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0))
    .join("  ")
    .trimEnd();

/** The table's first line. */
export const heading = (): string => row(["figure", "value", "beside", "ratio", "target", ""]);

/** A figure's line of the table. */
export function line(name: string, result: Entry): string {
  const { value, unit, floor, ratio, target, met, lacking, details } = result;
  if (value === undefined) {
    const { unavailable, failed } = result;
    return row([name, "-", "", "", "", failed === undefined ? `${unavailable}` : "FAILED"]);
  }
  const more = Object.entries(details ?? {}).map(([key, number]) => `${key} ${number}`);
  const verdict = met === undefined ? "" : met ? "met" : "MISSED";
  return row([
    name,
    `${value} ${unit}`,
    floor === undefined ? "" : `${floor}`,
    ratio === undefined ? "" : ratio.toPrecision(3),
    target === undefined ? "" : `${target}`,
    [verdict, more.join(", "), lacking ?? ""].filter((text) => text !== "").join("  "),
  ]);
}
