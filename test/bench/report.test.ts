import { describe, expect, it } from "vitest";
import { parseOptions, UsageError } from "../../bench/arguments.js";
import { atLeast, atMost, type Figure, type Target } from "../../bench/figure.js";
import { entry, line } from "../../bench/report.js";

const figure = (target?: Target): Figure => ({
  about: "",
  unit: "us",
  ...(target === undefined ? {} : { target }),
  measure: async () => ({ value: 0 }),
});

describe("a figure's entry", () => {
  it.each([
    [atMost("ratio", 1.7), 1.7, true],
    [atMost("ratio", 1.7), 1.701, false],
    [atLeast("ratio", 0.85), 0.85, true],
    [atLeast("ratio", 0.85), 0.849, false],
  ] as const)("holds the ratio against %o: %d", (target, ratio, met) => {
    expect(entry(figure(target), { value: 9, floor: 5, ratio }).met).toBe(met);
  });

  it("holds the value against a target of the value", () => {
    const target = atLeast("value", 100);
    expect(entry(figure(target), { value: 120, ratio: 0.1 })).toEqual({
      value: 120,
      unit: "us",
      ratio: 0.1,
      target: "value >= 100",
      met: true,
    });
  });

  it("says nothing of a target where there is none", () => {
    expect(entry(figure(), { value: 1.23456 })).toEqual({ value: 1.235, unit: "us" });
  });

  it("holds nothing against the target where this machine lacks the peer", () => {
    const lacking = "there is no onnxruntime";
    expect(entry(figure(atLeast("ratio", 1)), { value: 120, lacking })).toEqual({
      value: 120,
      unit: "us",
      target: "ratio >= 1",
      lacking,
    });
  });

  it("does not pass where what the target is about was not measured", () => {
    expect(() => entry(figure(atMost("ratio", 2)), { value: 1 })).toThrow("no ratio");
  });
});

describe("a figure's line", () => {
  it("names what was missed and what else was measured", () => {
    const result = entry(figure(atMost("value", 1)), { value: 2, details: { echo: 0.5 } });
    expect(line("roundtrip.free", result)).toMatch(/roundtrip\.free +2 us .*MISSED +echo 0\.5/);
  });

  it("says what is lacking beside the value", () => {
    const lacking = "there is no onnxruntime";
    const measured = { value: 120, lacking, details: { numpy: 7 } };
    const text = line("minilm.b1", entry(figure(atLeast("ratio", 1)), measured));
    expect(text).toMatch(/minilm\.b1 +120 us +ratio >= 1 +numpy 7 {2}there is no onnxruntime$/);
  });

  it("says why there is no figure", () => {
    const unavailable = "there is no Elixir in the PATH";
    expect(line("bulk.in", { unit: "GB/s", unavailable })).toContain(unavailable);
    expect(line("bulk.in", { unit: "GB/s", failed: "boom" })).toContain("FAILED");
  });
});

describe("the command line", () => {
  const known = ["roundtrip.free", "sgemm", "ready"];

  it("means all figures where it names none", () => {
    expect(parseOptions([], known)).toEqual({
      names: known,
      json: false,
      ops: false,
      help: false,
    });
  });

  it("takes ops for the table of ops, and --peers for what the script has done", () => {
    expect(parseOptions(["ops", "--peers"], known)).toMatchObject({ names: [], ops: true });
    expect(parseOptions(["--peers"], known)).toMatchObject({ names: known, ops: false });
  });

  it("keeps the order of the table, and names a figure once", () => {
    const { names, json } = parseOptions(["ready", "--json", "roundtrip.free", "ready"], known);
    expect(names).toEqual(["roundtrip.free", "ready"]);
    expect(json).toBe(true);
  });

  it.each([
    [["sgem"], "unknown figure sgem; did you mean sgemm?"],
    [["warp"], "unknown figure warp"],
    [["--jsn"], "unknown option --jsn; did you mean --json?"],
    [["--json=yes"], "--json takes no value"],
  ])("refuses %j", (argv, message) => {
    expect(() => parseOptions(argv, known)).toThrow(new UsageError(message));
  });
});
