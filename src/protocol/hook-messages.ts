import { type ArgumentRow, type FormRow, MATCHES, POLICIES, VIEWS } from "../contract/hooks.js";
import type { Match } from "../hooks/match.js";
import type { Policy, View } from "../hooks/policy.js";
import { isBytes } from "../realm.js";
import { badMessage, list } from "./checks.js";

/** `[match, policy, view]`. What each may hold is checked where subscriptions are made. */
export function parseHook(value: unknown): { match: Match; policy: Policy; view: View } {
  const [match, policy, view] = list(value, "a hook") as unknown[];
  return { match: parseMatch(match), policy: parsePolicy(policy), view: parseView(view) };
}

/** The sites that are meant. */
export function parseMatch(value: unknown): Match {
  const [name, values] = readMatch(value);
  return (values.length === 0 ? name : { [name]: values[0] }) as Match;
}

/** The events that are meant, by default every one. */
export function parsePolicy(value: unknown): Policy {
  if (value === undefined || value === null) return "every";
  const [name, values] = readPolicy(value);
  return (values.length === 0 ? name : { [name]: values[0] }) as Policy;
}

/** The part of their values that is meant, by default all. */
export function parseView(value: unknown): View {
  if (value === undefined || value === null) return "full";
  const [name, values, names] = readView(value);
  if (values.length === 0) return name as View;
  return { [name]: Object.fromEntries(names.map((key, index) => [key, values[index]])) } as View;
}

const readMatch = formReader("a match", MATCHES, "list");
const readPolicy = formReader("a policy", POLICIES, "name");
const readView = formReader("a view", VIEWS, "name");

type Form = readonly [name: string, values: readonly unknown[], names: readonly string[]];

/** Returns what reads a form of these rows. A form without arguments travels as a `list` with its name, or as its `name`. */
function formReader(
  what: string,
  rows: Readonly<Record<string, FormRow>>,
  bare: "list" | "name",
): (value: unknown) => Form {
  const forms = new Map(
    Object.entries(rows).map(([name, row]) => [name, Object.entries(row.arguments)] as const),
  );
  const isList = (names: readonly unknown[]) => names.length > 0 || bare === "list";
  const expected = [...forms]
    .map(([name, row]) => {
      const form = [`"${name}"`, ...row.map(([argument]) => argument)].join(", ");
      return isList(row) ? `[${form}]` : form;
    })
    .join(", ");
  return (value) => {
    const [name, ...values] = Array.isArray(value) ? (value as unknown[]) : [value];
    const row = forms.get(name as string);
    if (
      row === undefined ||
      row.length !== values.length ||
      isList(row) !== Array.isArray(value) ||
      !row.every(([, argument], index) => isOfKind(values[index], argument))
    ) {
      throw badMessage(what, value, expected);
    }
    // A message's memory is shared with other messages, and a form outlives it.
    const kept = values.map((item) => (isBytes(item) ? item.slice() : item));
    return [name as string, kept, row.map(([argument]) => argument)];
  };
}

/** Tells whether an argument has the form of its kind. Ranges are checked where subscriptions are made. */
function isOfKind(value: unknown, row: ArgumentRow): boolean {
  switch (row.kind) {
    case "bytes":
      return isBytes(value) && value.length === row.length;
    case "text":
    case "glob":
      return typeof value === "string";
    case "integer":
    case "number":
    case "sizes":
      return true;
  }
}
