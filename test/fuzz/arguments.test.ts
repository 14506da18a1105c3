import { describe, expect, it } from "vitest";
import { parseOptions } from "../../fuzz/arguments.js";

const KNOWN = ["graphs", "files"];
const options = (...argv: string[]) => parseOptions(argv, KNOWN, 7_000);

describe("the command line of the fuzzer", () => {
  it("means all campaigns, a minute and the clock's seed where it says nothing", () => {
    expect(options()).toMatchObject({ campaigns: KNOWN, seconds: 60, seed: 7_000 });
    expect(options().cases).toBe(Number.POSITIVE_INFINITY);
  });

  it("takes a number of cases instead of seconds, or both", () => {
    expect(options("--cases", "10")).toMatchObject({
      cases: 10,
      seconds: Number.POSITIVE_INFINITY,
    });
    expect(options("--cases", "10", "--seconds", "5")).toMatchObject({ cases: 10, seconds: 5 });
  });

  it("takes names in any order, and ops that are to be left out", () => {
    const { campaigns, without } = options("files", "graphs", "--without", "add,linalg.eig");
    expect(campaigns).toEqual(KNOWN);
    expect(without).toEqual(["add", "linalg.eig"]);
  });

  it.each([
    [["--seed", "x"], '--seed is "x"; expected an integer, at least 0'],
    [["--seconds", "0"], '--seconds is "0"; expected an integer, at least 1'],
    [["--budget", "1e3"], '--budget is "1e3"'],
    [["graph"], "there is no campaign graph; did you mean graphs?"],
    [["--without", "ad"], "--without: there is no op ad"],
    [["--fast"], "--fast"],
  ])("refuses %j", (argv, message) => {
    expect(() => options(...argv)).toThrow(message);
  });
});
