import { readFileSync } from "node:fs";
import { ENGINE_MESSAGES } from "../../src/contract/engine-messages.js";
import { type FormRow, MATCHES, POLICIES, SITE_KINDS, VIEWS } from "../../src/contract/hooks.js";
import { GRAPH_LIMITS, type LimitRow, SESSION_LIMITS } from "../../src/contract/limits.js";
import { CLIENT_MESSAGES, type ClientMessageRow } from "../../src/contract/messages.js";
import {
  GENERATE_OPTIONS,
  GET_OPTIONS,
  type OptionRow,
  RUN_OPTIONS,
} from "../../src/contract/options.js";

const page = new URL("../../docs/protocol.md", import.meta.url);

/** docs/protocol.md with its generated parts made anew: what stands between `<!-- contract: NAME -->` and `<!-- end -->`. */
export function protocolMarkdown(): string {
  const text = readFileSync(page, "utf8");
  const made = new Set<string>();
  const filled = text.replace(
    /<!-- contract: (\w+) -->\n[\s\S]*?<!-- end -->/g,
    (_match, name: string) => {
      const part = PARTS[name];
      if (part === undefined) throw new Error(`docs/protocol.md asks for the part ${name}`);
      made.add(name);
      return `<!-- contract: ${name} -->\n${part()}\n<!-- end -->`;
    },
  );
  const missing = Object.keys(PARTS).filter((name) => !made.has(name));
  if (missing.length > 0) throw new Error(`docs/protocol.md has no part ${missing.join(", ")}`);
  return filled;
}

function argumentText(argument: string | readonly string[]): string {
  return typeof argument === "string" ? argument : `{${argument.join(", ")}}`;
}

const PARTS: Readonly<Record<string, () => string>> = {
  requests: () =>
    Object.entries<ClientMessageRow>(CLIENT_MESSAGES)
      .map(([type, row]) => request(type, row))
      .join("\n\n"),
  answers: () =>
    table(
      ["message", "request", "meaning"],
      Object.entries(ENGINE_MESSAGES).map(([type, row]) => [
        `\`["${type}", ${row.arguments.map(argumentText).join(", ")}]\``,
        row.request,
        row.doc,
      ]),
    ),
  run_options: () => options(RUN_OPTIONS),
  get_options: () => options(GET_OPTIONS),
  generate_options: () => options(GENERATE_OPTIONS),
  matches: () => forms(MATCHES),
  policies: () => forms(POLICIES),
  views: () => forms(VIEWS),
  kinds: () =>
    table(
      ["kind", "node"],
      Object.entries(SITE_KINDS).map(([kind, doc]) => [`\`${kind}\``, doc]),
    ),
  limits: () =>
    table(
      ["limit", "default", "what counts, and what happens beyond it"],
      Object.values(SESSION_LIMITS).map((row) => [`\`${row.wire}\``, amount(row), row.doc]),
    ),
  graph_limits: () =>
    table(
      ["limit", "default", "what counts"],
      Object.entries<LimitRow>(GRAPH_LIMITS).map(([name, row]) => [
        `\`${name}\``,
        amount(row),
        row.doc,
      ]),
    ),
};

function request(type: string, row: ClientMessageRow): string {
  const fields = Object.entries(row.arguments).map(
    ([name, field]) => [name === "tensorType" ? "type" : name, field] as const,
  );
  const shown = [`"${type}"`, ...fields.map(([name]) => name)].join(", ");
  const attachment = row.attachment === undefined ? "" : " + 1 attachment";
  const lines = [`#### ${type}`, "", `\`[${shown}]\`${attachment}`, "", row.doc];
  if (fields.length > 0) {
    lines.push("");
    for (const [name, { kind, doc }] of fields) {
      lines.push(`- \`${name}\`${kind.endsWith("?") ? ", optional" : ""}: ${doc}`);
    }
  }
  lines.push("", row.result === undefined ? "No answer." : `Result: ${row.result}.`);
  return lines.join("\n");
}

function options(rows: Readonly<Record<string, OptionRow>>): string {
  return Object.entries(rows)
    .map(([name, { doc }]) => `- \`${name}\`: ${doc}`)
    .join("\n");
}

function forms(rows: Readonly<Record<string, FormRow>>): string {
  return table(
    ["form", "meaning"],
    Object.entries(rows).map(([name, row]) => {
      const names = Object.keys(row.arguments);
      const alone = names.length === 0 && rows !== MATCHES;
      const form = alone ? `"${name}"` : `[${[`"${name}"`, ...names].join(", ")}]`;
      const limits = Object.entries(row.arguments).flatMap(([argument, kind]) =>
        "least" in kind
          ? [
              ` \`${argument}\`: ${kind.open === true ? "above " : ""}${kind.least} to ${kind.most}.`,
            ]
          : [],
      );
      return [`\`${form}\``, row.doc + limits.join("")];
    }),
  );
}

function amount({ default: value, unit }: LimitRow): string {
  if (value === Number.MAX_SAFE_INTEGER) return "none";
  if (unit === "items") return value.toLocaleString("en-US");
  if (value % 2 ** 40 === 0) return `${value / 2 ** 40} TiB`;
  return value % 2 ** 20 === 0
    ? `${value / 2 ** 20} MiB`
    : `${value.toLocaleString("en-US")} bytes`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}
