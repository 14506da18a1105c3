import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HookError } from "../../src/hooks/error.js";
import { namedId } from "../../src/hooks/ids.js";
import { compileGlob, type Match, siteTest } from "../../src/hooks/match.js";
import type { Site } from "../../src/hooks/site.js";

const site = (rest: Partial<Site>): Site => ({
  number: 0,
  node: 0,
  function: "main",
  kind: "hook",
  types: [],
  ...rest,
});

const sites = {
  named: site({ name: "loss", id: namedId("loss") }),
  labelled: site({ name: "out", id: namedId("out"), label: "encoder.3.attention" }),
  print: site({ kind: "print", id: namedId("p"), label: "encoder.3.print" }),
  call: site({ kind: "callback", id: namedId("c"), label: "encoder.3.call" }),
  node: site({ kind: "node", label: "encoder.3.norm" }),
};

function matching(match: Match): string[] {
  const test = siteTest(match);
  return Object.entries(sites)
    .filter(([, one]) => test(one))
    .map(([key]) => key);
}

describe("a match", () => {
  it.each<[Match, string[]]>([
    ["all", ["named", "labelled", "print"]],
    ["prints", ["print"]],
    [{ name: "loss" }, ["named"]],
    [{ name: "lo*" }, []],
    [{ id: namedId("out") }, ["labelled"]],
    [{ label: "encoder.3.*" }, ["labelled", "print"]],
    [{ label: "lo??" }, ["named"]],
    [{ label: "*" }, ["named", "labelled", "print"]],
    [{ probe: "encoder.3.*" }, ["labelled", "print", "call", "node"]],
    [{ probe: "*norm" }, ["node"]],
  ])("%j is for the right sites", (match, expected) => {
    expect(matching(match)).toEqual(expected);
  });

  it.each([
    ["a word", "everything"],
    ["nothing", null],
    ["a short id", { id: new Uint8Array(15) }],
    ["an id that is text", { id: "0123456789abcdef" }],
    ["a number as a name", { name: 3 }],
    ["two wishes", { name: "a", label: "b" }],
    ["a key that is unknown", { labels: "a" }],
    ["a glob of 2,000 characters", { label: "*".repeat(2000) }],
  ])("that is %s is refused", (_, match) => {
    expect(() => siteTest(match as unknown as Match)).toThrow(HookError);
    expect(() => siteTest(match as unknown as Match)).toThrow(
      expect.objectContaining({ code: "match_invalid" }),
    );
  });
});

describe("a glob", () => {
  const toPattern = (glob: string) =>
    new RegExp(
      `^${[...glob]
        .map((char) =>
          char === "*" ? ".*" : char === "?" ? "." : char.replace(/[.+^${}()|[\]\\]/g, "\\$&"),
        )
        .join("")}$`,
      "su",
    );

  it("means what the regular expression means", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "é", "😀"), maxLength: 8 });
    const glob = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?", "😀"), maxLength: 8 });
    fc.assert(
      fc.property(glob, text, (pattern, value) => {
        expect(compileGlob(pattern)(value)).toBe(toPattern(pattern).test(value));
      }),
      { numRuns: 5000 },
    );
  });

  it("takes what follows a backslash as it is", () => {
    expect(compileGlob("a\\*")("a*")).toBe(true);
    expect(compileGlob("a\\*")("ab")).toBe(false);
    expect(compileGlob("a\\")("a\\")).toBe(true);
  });

  it("does not explode on a hostile pattern", () => {
    const started = performance.now();
    expect(compileGlob("a*".repeat(500))(`${"a".repeat(5000)}b`)).toBe(true);
    expect(compileGlob(`${"a*".repeat(500)}c`)("a".repeat(5000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
