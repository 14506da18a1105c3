import { describe, expect, it } from "vitest";
import { describeThrown, listNames, shorten, show } from "../src/show.js";
import { STRANGE } from "./support/thrown.js";

describe("show", () => {
  it("prints values on one line, shortened", () => {
    expect(show("text")).toBe('"text"');
    expect(show({ sample: -1 })).toBe('{"sample":-1}');
    expect(show([1n, 2])).toBe('["1",2]');
    expect(show(Number.NaN)).toBe("NaN");
    expect(show(undefined)).toBe("undefined");
    expect(show(new Uint8Array(3))).toBe("3 bytes");
    expect(show(["run", new Uint8Array(3)])).toBe('["run","3 bytes"]');
    expect(show(2n ** 63n)).toBe("9223372036854775808");
    expect(show("x".repeat(100))).toHaveLength(81);
  });

  it.each(Object.entries(STRANGE))("prints %s", (_name, value) => {
    expect(show(value)).toEqual(expect.any(String));
  });

  it("prints what contains itself", () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(show(circle)).toContain("Circular");
  });
});

describe("shorten", () => {
  it("cuts only what is longer", () => {
    expect(shorten("abc", 3)).toBe("abc");
    expect(shorten("abcd", 3)).toBe("abc…");
  });
});

describe("listNames", () => {
  const many = Array.from({ length: 22 }, (_, index) => `layer.${index}`);

  it("lists a few", () => {
    expect(listNames(["a", "b"], "c", (name) => `"${name}"`)).toBe('"a", "b"');
  });

  it("counts what it leaves out, and suggests the nearest", () => {
    expect(listNames(many)).toMatch(/^layer\.0, .*layer\.19 and 2 more$/);
    expect(listNames(many, "layer_21")).toMatch(/ and 2 more; did you mean layer\.21\?$/);
  });
});

describe("describeThrown", () => {
  it("tells an error's code and message", () => {
    const error = Object.assign(new Error("gone"), { code: "file_missing" });
    expect(describeThrown(error)).toMatchObject({ code: "file_missing", message: "gone" });
    expect(describeThrown(Object.assign(new Error("odd"), { code: 7 })).code).toBeUndefined();
  });

  it("tells anything else as text", () => {
    expect(describeThrown("stop").message).toBe("stop");
    expect(describeThrown({ reason: 5 }).message).toBe("{ reason: 5 }");
    expect(describeThrown(Symbol("stop")).message).toBe("Symbol(stop)");
  });

  it.each(Object.entries(STRANGE))("tells of %s", (_name, value) => {
    const { code, message } = describeThrown(value);
    expect(code).toBeUndefined();
    expect(message).toEqual(expect.any(String));
  });
});
