import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ERRORS } from "../../src/contract/errors.js";
import { root } from "../support/root.js";

/** The text of all sources in a folder. */
function sources(folder: string, ending: RegExp, without: RegExp): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => ending.test(name) && !without.test(name))
    .map((name) => readFileSync(join(root, folder, name), "utf8"))
    .join("\n");
}

const typescript = sources("src", /\.ts$/, /^contract/);
const port = sources("port/src", /\.ts$/, /^$/);
const native = sources("native", /\.(cpp|h)$/, /^$/);
const elixir = sources("elixir_client/lib", /\.ex$/, /contract\.ex$|op_docs\.ex$|op_table\.ex$/);

/** What the sources raise, by the ways in which they raise it. Most of TypeScript's are checked by its types. */
function raised(): Set<string> {
  const codes = (text: string, pattern: RegExp) =>
    [...text.matchAll(pattern)].map(([, code]) => code);
  return new Set([
    ...codes(typescript, /new \w+Error\(\s*"(\w+)"/g),
    ...codes(typescript, /session\.end\("(\w+)"/g),
    ...codes(native, /(?:OpError|RunError)\(\s*"(\w+)"/g),
    ...codes(native, /Failure\{\s*"(\w+)"/g),
    ...codes(elixir, /EngineError\{\s*code: :(\w+)/g),
  ] as string[]);
}

describe("error codes", () => {
  it("are listed where they are raised", () => {
    const found = raised();
    expect(found.size).toBeGreaterThan(60);
    expect([...found].filter((code) => !(code in ERRORS))).toEqual([]);
  });

  it("are raised where they are listed", () => {
    const mentioned = (code: string) =>
      [typescript, port, native].some((text) => text.includes(`"${code}"`)) ||
      new RegExp(`:${code}\\b`).test(elixir);
    expect(Object.keys(ERRORS).filter((code) => !mentioned(code))).toEqual([]);
  });

  it.each(Object.entries(ERRORS))("%s has a name and a text of one form", (code, { doc }) => {
    if (!["cancelled", "internal", "timeout"].includes(code))
      expect(code).toMatch(/^[a-z]+(_[a-z]+)+$/);
    expect(code).not.toMatch(/^(bad|unknown|no|not|too|out|malformed|unsupported|remote)_/);
    expect(doc).toMatch(/^[A-Z`].*\.$/);
  });
});
