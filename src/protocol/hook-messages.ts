import { type FormRow, POLICIES } from "../contract/hooks.js";
import type { Match } from "../hooks/match.js";
import type { Policy, View } from "../hooks/policy.js";
import { isBytes } from "../realm.js";
import { badMessage, list, text } from "./checks.js";

/** `[match, policy, view]`; what each may hold is checked where subscriptions are made. */
export function parseHook(value: unknown): { match: Match; policy: Policy; view: View } {
  const [match, policy, view] = list(value, "a hook") as unknown[];
  return { match: parseMatch(match), policy: parsePolicy(policy), view: parseView(view) };
}

/** Which sites are meant: the form is checked here, globs where they are used. */
export function parseMatch(value: unknown): Match {
  const [kind, argument] = list(value, "a match");
  switch (kind) {
    case "all":
      return "all";
    case "id":
      if (isBytes(argument) && argument.length === 16) return { id: argument.slice() };
      break;
    case "name":
      return { name: text(argument, "a match's name") };
    case "label":
      return { label: text(argument, "a match's glob") };
    case "probe":
      return { probe: text(argument, "a match's glob") };
  }
  const expected = '["id", 16 bytes], ["name", name], ["label", glob], ["probe", glob] or ["all"]';
  throw badMessage("a match", value, expected);
}

const POLICY_FORMS = Object.entries<FormRow>(POLICIES)
  .map(([name, row]) => {
    const names = Object.keys(row.arguments);
    return names.length === 0 ? `"${name}"` : `["${name}", ${names.join(", ")}]`;
  })
  .join(", ");

/** Which events are meant: the form is checked here, ranges where it is used. */
export function parsePolicy(value: unknown): Policy {
  if (value === undefined || value === null) return "every";
  const [name, ...given] = Array.isArray(value) ? (value as unknown[]) : [value];
  if (typeof name === "string" && Object.hasOwn(POLICIES, name)) {
    const policy = name as keyof typeof POLICIES;
    const count = Object.keys(POLICIES[policy].arguments).length;
    if (count === given.length && (count === 0) !== Array.isArray(value)) {
      return (count === 0 ? policy : { [policy]: given[0] }) as Policy;
    }
  }
  throw badMessage("a policy", value, POLICY_FORMS);
}

/** The view of their values that is meant. */
export function parseView(value: unknown): View {
  if (value === undefined || value === null || value === "full") return "full";
  if (Array.isArray(value)) {
    if (value.length === 3 && value[0] === "slice") {
      return { slice: { start: value[1] as number[], size: value[2] as number[] } };
    }
    if (value.length === 2 && value[0] === "summary") {
      return { summary: { bins: value[1] as number } };
    }
  }
  throw badMessage("a view", value, '"full", ["slice", starts, sizes] or ["summary", bins]');
}
