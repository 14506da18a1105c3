import { isBytes } from "../realm.js";
import { listNames, show } from "../show.js";
import { HookError } from "./error.js";
import type { Site } from "./site.js";

/**
 * The sites of a subscription. `label` is a glob (`*` any characters, `?` one, `\` takes the next as it
 * is) held against the label of a hook or print, or its name where it has no label; `probe` is one
 * against the label of any node. A list matches what one of its items matches. `"prints"` matches prints,
 * `"destinations"` hooks with a destination, `"callbacks"` callbacks, whose values are their replies.
 */
export type Match =
  | "all"
  | "prints"
  | "destinations"
  | "callbacks"
  | { readonly id: Uint8Array }
  | { readonly name: string }
  | { readonly label: string }
  | { readonly probe: string }
  | readonly Match[];

/** Returns whether a match is for a site. */
export type SiteTest = (site: Site) => boolean;

const EXPECTED =
  '"all", one of { id: 16 bytes }, { name: text }, { label: glob }, { probe: glob }, or a list of these';
const LONGEST = 1024;

/**
 * The test that a match stands for.
 * @throws HookError `match_invalid`
 */
export function siteTest(match: Match): SiteTest {
  if (match === "all") return isHook;
  if (match === "prints") return (site) => site.kind === "print";
  if (match === "destinations") return (site) => site.destination === true;
  if (match === "callbacks") return (site) => site.kind === "callback";
  if (Array.isArray(match)) {
    const tests = match.map(siteTest);
    return (site) => tests.some((test) => test(site));
  }
  if (typeof match !== "object" || match === null || Object.keys(match).length !== 1) {
    throw bad(match);
  }
  if ("id" in match) {
    const { id } = match;
    if (!isBytes(id) || id.length !== 16) throw bad(match);
    const wanted = Buffer.from(id);
    return (site) => isHook(site) && site.id !== undefined && wanted.equals(site.id);
  }
  if ("name" in match) {
    const { name } = match;
    if (typeof name !== "string") throw bad(match);
    return (site) => isHook(site) && site.name === name;
  }
  if ("label" in match) {
    const matches = glob(match.label, match);
    return (site) => {
      const text = site.label ?? site.name;
      return isHook(site) && text !== undefined && matches(text);
    };
  }
  if ("probe" in match) {
    const matches = glob(match.probe, match);
    return (site) => site.label !== undefined && matches(site.label);
  }
  throw bad(match);
}

/**
 * Refuses a match with a name that no hook of a program has: nothing would ever fire. Globs may match nothing.
 * @throws HookError `hook_unknown` that lists the names that there are
 */
export function checkNames(match: Match, sites: readonly Site[]): void {
  if (Array.isArray(match)) {
    for (const one of match) checkNames(one, sites);
    return;
  }
  if (typeof match !== "object" || !("name" in match)) return;
  const hooks = sites.filter(isHook);
  if (hooks.some(({ name }) => name === match.name)) return;
  const names = [...new Set(hooks.flatMap(({ name }) => name ?? []))];
  throw new HookError(
    "hook_unknown",
    `the program has no hook ${show(match.name)}`,
    names.length === 0
      ? "none: it has no hooks with names"
      : `one of ${listNames(names, match.name, show)}`,
  );
}

function isHook(site: Site): boolean {
  return site.kind !== "callback" && site.kind !== "node";
}

function glob(pattern: unknown, match: Match): (text: string) => boolean {
  if (typeof pattern !== "string" || pattern.length > LONGEST) throw bad(match);
  return compileGlob(pattern);
}

/** A test for a glob. Takes time in proportion to pattern × text at most. */
export function compileGlob(pattern: string): (text: string) => boolean {
  const steps: { readonly kind: "text" | "one" | "any"; readonly char: string }[] = [];
  const chars = [...pattern];
  for (let index = 0; index < chars.length; index++) {
    const char = chars[index] as string;
    if (char === "*") steps.push({ kind: "any", char });
    else if (char === "?") steps.push({ kind: "one", char });
    else if (char === "\\" && index + 1 < chars.length) {
      steps.push({ kind: "text", char: chars[++index] as string });
    } else steps.push({ kind: "text", char });
  }
  return (value) => {
    const text = [...value];
    let step = 0;
    let at = 0;
    // The place to go on from when the last `*` has to take more characters.
    let retryStep = -1;
    let retryAt = 0;
    while (at < text.length) {
      const next = steps[step];
      if (next?.kind === "any") {
        retryStep = ++step;
        retryAt = at;
      } else if (next !== undefined && (next.kind === "one" || next.char === text[at])) {
        step++;
        at++;
      } else if (retryStep >= 0) {
        step = retryStep;
        at = ++retryAt;
      } else return false;
    }
    while (steps[step]?.kind === "any") step++;
    return step === steps.length;
  };
}

function bad(match: unknown): HookError {
  return new HookError("match_invalid", `a match is ${show(match)}`, EXPECTED);
}
