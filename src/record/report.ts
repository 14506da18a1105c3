import { formatType } from "../tensor/dtype.js";
import type { Where } from "./align.js";
import type { FirstDifference, RecordingDiff, Side, TitleDiff } from "./diff.js";

/** Prints what two recordings differ in: the first place, then a table by label. `all` lists what is the same too. */
export function formatDiff(diff: RecordingDiff, { all = false } = {}): string {
  const parts = [sides(diff)];
  if (diff.first !== undefined) parts.push(`First difference: ${first(diff.first, diff)}`);
  else parts.push(diff.same ? "No difference." : "What both have is the same.");
  if (diff.a.notFinite !== undefined || diff.b.notFinite !== undefined) {
    const of = ({ notFinite }: Side) => (notFinite === undefined ? "none" : where(notFinite, diff));
    parts.push(`First NaN or infinity:\n  A  ${of(diff.a)}\n  B  ${of(diff.b)}`);
  }
  const rows = all ? diff.titles : diff.titles.filter((row) => row.differing > 0);
  const same = diff.titles.length - rows.length;
  if (rows.length > 0) parts.push(table(rows));
  if (same > 0 && rows.length > 0)
    parts.push(`${same} more label${same > 1 ? "s" : ""}: the same.`);
  for (const [name, { alone }] of [
    ["A", diff.a],
    ["B", diff.b],
  ] as const) {
    if (alone.length === 0) continue;
    const lines = alone.map(
      ({ title, events, first }) => `  ${title}: ${events}, the first at ${where(first, diff)}`,
    );
    parts.push(`Only in ${name}:\n${lines.join("\n")}`);
  }
  return `${parts.join("\n\n")}\n`;
}

function sides({ a, b }: RecordingDiff): string {
  const line = (name: string, { path, runs, events, complete }: Side) =>
    `${name}  ${path}: ${events} events of ${runs} run${runs === 1 ? "" : "s"}${complete ? "" : ", not closed"}`;
  return `${line("A", a)}\n${line("B", b)}`;
}

function first(found: FirstDifference, diff: RecordingDiff): string {
  const place = where(found.where, diff);
  switch (found.kind) {
    case "type":
      return `${place} has other types\n  A  ${found.a.map(formatType).join(", ")}\n  B  ${found.b.map(formatType).join(", ")}`;
    case "value": {
      const { value, type, index, around } = found;
      const number = value === 0 ? "" : `, value ${value}`;
      const lines = (["a", "b"] as const).map((side) => {
        const items = around[side].map((text, at) => (at === around.at ? `[${text}]` : text));
        return items;
      });
      const widths = around.a.map((_, at) =>
        Math.max(...lines.map((items) => (items[at] as string).length)),
      );
      const [a, b] = lines.map((items) =>
        items.map((text, at) => text.padStart(widths[at] as number)).join("  "),
      );
      return `${place}${number}, ${formatType(type)}, element [${index.join(", ")}]\n  A  ${a}\n  B  ${b}`;
    }
  }
}

/** Returns the name of an event for people: `loss.log [12]`. */
function where({ title, ordinal, path, repeat, run }: Where, { a, b }: RecordingDiff): string {
  const runs = Math.max(a.runs, b.runs);
  return [
    title,
    ordinal > 0 ? ` (${ordinal + 1})` : "",
    path.length > 0 ? ` [${path.join(", ")}]` : "",
    repeat > 0 ? `, call ${repeat + 1}` : "",
    runs > 1 ? `, run ${run + 1} of ${runs}` : "",
  ].join("");
}

const COLUMNS: readonly (readonly [head: string, text: (row: TitleDiff) => string])[] = [
  ["label", (row) => row.title],
  ["events", (row) => String(row.events)],
  ["differ", (row) => String(row.differing)],
  ["elements out", (row) => `${row.out} of ${row.elements}`],
  ["max abs", (row) => short(row.maxAbs)],
  ["max rel", (row) => short(row.maxRel)],
  ["NaN A, B", (row) => row.nan.join(", ")],
  ["Inf A, B", (row) => row.inf.join(", ")],
];

function table(rows: readonly TitleDiff[]): string {
  const lines = [
    COLUMNS.map(([head]) => head),
    ...rows.map((row) => COLUMNS.map(([, text]) => text(row))),
  ];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] as string).length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const width = widths[column] as number;
          return column === 0 ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("  "),
    )
    .join("\n");
}

function short(value: number): string {
  return value === 0 ? "0" : String(Number(value.toPrecision(3)));
}
