import { writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/main.js";
import { writeTensors } from "../../src/files/index.js";
import {
  callback,
  Engine,
  encodeGraph,
  hook,
  label,
  mx,
  record,
  type Traced,
} from "../../src/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { capturePrinted } from "./support.js";

const at = temporaryFolder();
const printed = capturePrinted();

const scalar = { dtype: "float32", shape: [] } as const;
const f32 = (value: number) => ({
  type: scalar,
  bytes: new Uint8Array(Float32Array.of(value).buffer),
});

beforeAll(async () => {
  const engine = Engine.create({ lanes: 1 });
  const graph = (fn: (x: Traced) => Traced) => encodeGraph(engine.jit(fn).trace(1).graph);
  await writeFile(
    at("g.davit"),
    graph((x) =>
      hook(
        label("net", () => mx.log(label("in", () => mx.subtract(x, 1)))),
        "out",
      ),
    ),
  );
  const asking = (x: Traced) => mx.add(callback(x, "ask", [scalar])[0] as Traced, 1);
  await writeFile(at("call.davit"), graph(asking));
  for (const [name, value] of [
    ["one.npy", 1],
    ["two.npy", 2],
  ] as const) {
    await writeTensors(at(name), new Map([["value", f32(value)]]));
  }
  engine.handle("ask", () => 41);
  const recording = record(engine, { path: at("replies.rec") });
  await engine.jit(asking)(1);
  recording.close();
  await engine.close();
});

const run = (input: string, ...more: string[]) =>
  main(["run", at("g.davit"), "--input", at(input), ...more]);
const diff = (...argv: string[]) => main(["diff", ...argv]);

describe("davit run --record and davit diff", () => {
  it("compares hooks", async () => {
    expect(await run("two.npy", "--record", at("good.rec"))).toBe(0);
    expect(await run("two.npy", "--record", at("again.rec"))).toBe(0);
    expect(await run("one.npy", "--record", at("bad.rec"))).toBe(0);
    // What is recorded is not printed; the results are.
    expect(printed.out).toBe(
      "0: float32[]\narray(0, dtype=float32)\n".repeat(2) +
        "0: float32[]\narray(-inf, dtype=float32)\n",
    );
    printed.out = "";
    expect(await diff(at("good.rec"), at("again.rec"))).toBe(0);
    expect(printed.out).toContain("No difference.");
    printed.out = "";
    expect(await diff(at("good.rec"), at("bad.rec"))).toBe(1);
    expect(printed.out).toMatch(
      /First difference: out, float32\[\], element \[\]\n {2}A {2} +\[0\]\n {2}B {2}\[-Infinity\]\n/,
    );
    expect(printed.err).not.toMatch(/^davit:/m);
  });

  it("compares probes, within tolerances, as JSON", async () => {
    const probe = ["--probe", "*.in", "--probe", "net"];
    expect(await run("two.npy", "--record", at("good.rec"), ...probe)).toBe(0);
    expect(await run("one.npy", "--record", at("bad.rec"), ...probe)).toBe(0);
    printed.out = "";
    expect(await diff(at("good.rec"), at("bad.rec"), "--json")).toBe(1);
    expect(JSON.parse(printed.out)).toMatchObject({
      same: false,
      first: { kind: "value", where: { title: "net.in" }, around: { a: ["1"], b: ["0"] } },
      titles: [
        { title: "net.in", out: 1, maxAbs: 1, maxRel: 1 },
        { title: "net", out: 1, inf: [0, 1] },
      ],
    });
    printed.out = "";
    expect(await diff(at("good.rec"), at("bad.rec"), "--atol", "1", "--all")).toBe(1);
    expect(printed.out).toMatch(/First difference: net/);
    expect(printed.out).toMatch(/^net\.in +1 +0 +0 of 1/m);
  });

  it.each([
    [["a"], /B is missing/],
    [["a", "b", "c"], /unexpected argument "c"/],
    [["a", "b", "--rtol", "-1"], /--rtol is "-1"; expected a number, 0 or more/],
    [["a", "b", "--atol", "wide"], /--atol is "wide"/],
    [["a", "b", "--rtol", ""], /--rtol is ""/],
    [["a", "b", "--rtool", "1"], /did you mean --rtol/],
  ])("diff %j is called wrongly", async (argv, message) => {
    expect(await diff(...argv)).toBe(2);
    expect(printed.err).toMatch(message);
    expect(printed.out).toBe("");
  });

  it("names files that are no recordings", async () => {
    await run("two.npy", "--record", at("good.rec"));
    expect(await diff(at("good.rec"), at("missing.rec"))).toBe(1);
    expect(printed.err).toMatch(/missing\.rec: there is no such file .*\[file_missing\]/);
    printed.err = "";
    expect(await diff(at("g.davit"), at("good.rec"))).toBe(1);
    expect(printed.err).toMatch(/g\.davit: it is no recording of davit .*\[file_malformed\]/);
    printed.err = "";
    expect(await run("two.npy", "--record", at("no/such/folder/x.rec"))).toBe(1);
    expect(printed.err).toMatch(/x\.rec.*\[file_missing\]/);
    expect(await run("two.npy", "--record", at("x.rec"), "--values")).toBe(2);
  });
});

describe("davit run --probe", () => {
  it("watches any labelled node of a graph file", async () => {
    expect(await run("two.npy", "--probe", "n?t")).toBe(0);
    expect(printed.out).toMatch(/^net #0 float32\[\] {2}min 0 {2}max 0 {2}mean 0 {2}std 0\n/);
    printed.out = "";
    expect(await run("two.npy", "--probe", "net.in", "--values")).toBe(0);
    expect(printed.out).toMatch(/^net\.in #0 float32\[\]\narray\(1, dtype=float32\)\n/);
  });
});

describe("davit run --replay", () => {
  const asking = (...more: string[]) =>
    main(["run", at("call.davit"), "--input", at("one.npy"), ...more]);

  it("answers calls from a recording", async () => {
    expect(await asking()).toBe(1);
    expect(printed.err).toMatch(/\[handler_missing\]/);
    expect(await asking("--replay", at("replies.rec"))).toBe(0);
    expect(printed.out).toContain("array(42, dtype=float32)");
  });

  it("records what it replays", async () => {
    const again = ["--replay", at("replies.rec"), "--record", at("again.rec")];
    expect(await asking(...again)).toBe(0);
    printed.out = "";
    expect(await diff(at("replies.rec"), at("again.rec"), "--all")).toBe(0);
    expect(printed.out).toMatch(/^ask +1 +0 /m);
  });

  it("says what it has no reply for", async () => {
    await run("two.npy", "--record", at("none.rec"));
    expect(await asking("--replay", at("none.rec"))).toBe(1);
    expect(printed.err).toMatch(
      /none\.rec has no reply for the call "ask" in run 1 of 0.*\[replay_missing\]/,
    );
    expect(await asking("--replay", at("missing.rec"))).toBe(1);
    expect(printed.err).toMatch(/missing\.rec: there is no such file/);
  });
});
