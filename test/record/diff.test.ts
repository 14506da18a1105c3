import { stat, truncate } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { diffRecordings } from "../../src/record/diff.js";
import { formatDiff } from "../../src/record/report.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { type Written, writeRecording } from "./support.js";

const at = temporaryFolder();

async function diff(a: Written[], b: Written[], tolerance = {}) {
  await Promise.all([writeRecording(at("a.rec"), a), writeRecording(at("b.rec"), b)]);
  return await diffRecordings(at("a.rec"), at("b.rec"), tolerance);
}

const loop = (values: number[][], title = "x"): Written[] =>
  values.map((value, index) => ({ title, value, path: [index] }));

describe("davit diff", () => {
  it("finds no difference where there is none", async () => {
    const events = [
      ...loop([
        [1, Number.NaN],
        [2, Infinity],
      ]),
      { title: "y", value: 7n },
    ];
    const found = await diff(events, events);
    expect(found).toMatchObject({
      same: true,
      a: { complete: true, runs: 1, events: 3, alone: [], notFinite: { title: "x", path: [0] } },
    });
    expect(found.first).toBeUndefined();
    expect(formatDiff(found)).toContain("No difference.");
  });

  it("names the first place in program order, with the values around it", async () => {
    const found = await diff(
      [
        ...loop([[0], [1]], "early"),
        {
          title: "m",
          value: [
            [1, 2, 3],
            [4, 5, 6],
          ],
          path: [1],
        },
      ],
      [
        ...loop([[0], [1.000001]], "early"),
        {
          title: "m",
          value: [
            [1, 2, 3],
            [4, Number.NaN, 7],
          ],
          path: [1],
        },
      ],
    );
    expect(found.first).toEqual({
      kind: "value",
      where: { run: 0, title: "m", ordinal: 0, path: [1], repeat: 0 },
      value: 0,
      type: { dtype: "float32", shape: [2, 3] },
      index: [1, 1],
      around: { at: 2, a: ["3", "4", "5", "6"], b: ["3", "4", "NaN", "7"] },
    });
    expect(found.titles).toEqual([
      expect.objectContaining({ title: "early", events: 2, differing: 0, out: 0 }),
      expect.objectContaining({ title: "m", differing: 1, elements: 6, out: 2, nan: [0, 1] }),
    ]);
    expect(found.b.notFinite).toMatchObject({ title: "m" });
    expect(found.a.notFinite).toBeUndefined();
    expect(formatDiff(found)).toBe(
      [
        `A  ${at("a.rec")}: 3 events of 1 run`,
        `B  ${at("b.rec")}: 3 events of 1 run`,
        "",
        "First difference: m [1], float32[2, 3], element [1, 1]",
        "  A  3  4    [5]  6",
        "  B  3  4  [NaN]  7",
        "",
        "First NaN or infinity:",
        "  A  none",
        "  B  m [1]",
        "",
        "label  events  differ  elements out  max abs  max rel  NaN A, B  Inf A, B",
        "m           1       1        2 of 6        1    0.143      0, 1      0, 0",
        "",
        "1 more label: the same.",
        "",
      ].join("\n"),
    );
    expect(formatDiff(found, { all: true })).toMatch(/^early +2 +0 /m);
  });

  it("keeps to its tolerances", async () => {
    const [a, b] = [loop([[1]]), loop([[1.01]])];
    expect((await diff(a, b)).same).toBe(false);
    expect((await diff(a, b, { rtol: 0.02 })).same).toBe(true);
    expect((await diff(a, b, { atol: 0.02 })).same).toBe(true);
  });

  it("refuses tolerances with which everything would be the same", async () => {
    for (const value of [NaN, Infinity, -1, -Infinity, "1" as never, null as never]) {
      for (const tolerance of [{ rtol: value }, { atol: value }]) {
        await expect(diffRecordings("a.rec", "b.rec", tolerance)).rejects.toMatchObject({
          code: "tolerance_invalid",
          message: expect.stringContaining("expected a finite number, 0 or more"),
        });
      }
    }
  });

  it("names other types", async () => {
    const found = await diff(loop([[1, 2]]), loop([[1, 2, 3]]));
    expect(found.first).toMatchObject({
      kind: "type",
      a: [{ shape: [2] }],
      b: [{ shape: [3] }],
    });
    expect(formatDiff(found)).toMatch(
      /x \[0\] has other types\n {2}A {2}float32\[2\]\n {2}B {2}float32\[3\]/,
    );
    const half: Written = { title: "x", value: [1, 2], dtype: "float16" };
    expect((await diff([{ title: "x", value: [1, 2] }], [half])).first).toMatchObject({
      kind: "type",
      b: [{ dtype: "float16" }],
    });
  });

  it("tells what only one has, in its place", async () => {
    const [one, two, three] = loop([[1], [2], [3]]) as [Written, Written, Written];
    const extra = { title: "extra", value: [Number.NaN] };
    const found = await diff([one, extra, two, three], [one, two]);
    expect(found.same).toBe(false);
    expect(found.first).toBeUndefined();
    expect(formatDiff(found)).toContain("What both have is the same.");
    expect(found.a.alone).toEqual([
      expect.objectContaining({ title: "extra", events: 1 }),
      expect.objectContaining({
        title: "x",
        events: 1,
        first: expect.objectContaining({ path: [2] }),
      }),
    ]);
    expect(found.a.notFinite).toMatchObject({ title: "extra" });
    expect(formatDiff(found)).toMatch(
      /Only in A:\n {2}extra: 1, the first at extra\n {2}x: 1, the first at x \[2\]/,
    );
    const other = await diff([one, two], [one, extra, { ...two, value: [9] }]);
    expect(other.first).toMatchObject({ kind: "value", where: { title: "x", path: [1] } });
    expect(other.b.alone).toMatchObject([{ title: "extra" }]);
    expect(other.titles[0]).toMatchObject({ title: "x", differing: 1 });
  });

  it("pairs events by label and path, not by their order or their site", async () => {
    const [a, b] = [
      { title: "left", value: [1] },
      { title: "right", value: [2] },
    ];
    expect((await diff([a, b], [b, a])).same).toBe(true);
    // A node more in one program moves all sites after it.
    const found = await diff([a, b], [{ title: "new", value: [0] }, a, b]);
    expect(found.titles.every(({ differing }) => differing === 0)).toBe(true);
  });

  it("tells nodes of one label, calls of one function, and runs apart", async () => {
    const node = (value: number, more = {}): Written => ({ title: "n", value: [value], ...more });
    const twice = [node(1), node(2)];
    expect((await diff(twice, twice)).same).toBe(true);
    expect((await diff(twice, [node(1), node(3)])).first).toMatchObject({ where: { repeat: 1 } });
    const ordinals = [node(1), node(2, { ordinal: 1 })];
    const found = await diff(ordinals, [node(1), node(3, { ordinal: 1 })]);
    expect(found.first).toMatchObject({ where: { ordinal: 1, repeat: 0 } });
    // Run numbers are those of the process; what counts is their order.
    const runs = [node(1, { run: 5 }), node(2, { run: 9 }), node(1.5, { run: 5, path: [1] })];
    const others = [node(1, { run: 1 }), node(1.5, { run: 1, path: [1] }), node(4, { run: 2 })];
    const between = await diff(runs, others);
    expect(between.first).toMatchObject({ where: { run: 1 }, around: { a: ["2"], b: ["4"] } });
    expect(formatDiff(between)).toContain("n, run 2 of 2");
  });

  it("compares what is whole of a recording that was cut off", async () => {
    await writeRecording(at("a.rec"), loop([[1], [2]]));
    await writeRecording(at("b.rec"), loop([[1], [2]]), { closed: false });
    const open = await diffRecordings(at("a.rec"), at("b.rec"));
    expect(open).toMatchObject({ same: true, a: { complete: true }, b: { complete: false } });
    const { size } = await stat(at("b.rec"));
    await truncate(at("b.rec"), size - 1);
    const cut = await diffRecordings(at("a.rec"), at("b.rec"));
    expect(cut.b).toMatchObject({ complete: false, events: 1 });
    expect(formatDiff(cut)).toContain("not closed");
  });

  it("refuses what is no recording", async () => {
    await writeRecording(at("a.rec"), []);
    await expect(diffRecordings(at("a.rec"), at("missing"))).rejects.toMatchObject({
      code: "file_missing",
    });
  });
});
