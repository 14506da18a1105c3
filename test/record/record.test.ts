import { execFileSync } from "node:child_process";
import { stat, writeFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import {
  callback,
  cond,
  DavitError,
  diffRecordings,
  Engine,
  forLoop,
  hook,
  label,
  mx,
  RecordingFile,
  record,
  replay,
  type Traced,
} from "../../src/index.js";
import { fromBytes } from "../../src/tensor/values.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const at = temporaryFolder();
const engine = Engine.create({ lanes: 2 });
afterAll(() => engine.close());

/** What a recording holds, in the order in which it fired. */
async function read(path: string) {
  const file = await RecordingFile.open(path);
  const found = [];
  for (const event of file.events) {
    const { label: title, name } = event.place;
    const [value] = await file.values(event);
    const array = value === undefined ? undefined : fromBytes(value.bytes, value.type);
    found.push([title ?? name, event.path, array] as const);
  }
  await file.close();
  expect(file.complete).toBe(true);
  return found;
}

const scalar = { dtype: "float32", shape: [] } as const;
/** `x = ask(2x) + 1`, three times. */
const asking = (ask: (x: unknown) => Promise<number>) => (x: Traced) =>
  forLoop(3, x, (x) => {
    const [answer] = callback(
      label("double", () => mx.multiply(x, 2)),
      ask as never,
      [scalar],
    );
    return mx.add(answer as Traced, 1);
  });

describe("record", () => {
  it("keeps what hooks and probes see, with the loop path", async () => {
    const f = engine.jit((x: Traced) =>
      forLoop(2, x, (x) =>
        hook(
          label("step", () => mx.multiply(x, 3)),
          "tripled",
        ),
      ),
    );
    const bare = await (await f([1, 2])).toArray();
    const all = record(engine, { path: at("all.rec") });
    const probed = record(engine, { path: at("probed.rec"), match: { probe: "st?p" } });
    const both = record(engine, { path: at("both.rec"), match: ["all", { probe: "*" }] });
    expect(await (await f([1, 2])).toArray()).toEqual(bare);
    for (const recording of [all, probed, both]) recording.close();
    const tripled = [
      ["tripled", [0], [3, 6]],
      ["tripled", [1], [9, 18]],
    ];
    expect(await read(at("all.rec"))).toEqual(tripled);
    expect(await read(at("probed.rec"))).toEqual([
      ["step", [0], [3, 6]],
      ["step", [1], [9, 18]],
    ]);
    expect((await read(at("both.rec"))).map(([title]) => title)).toEqual([
      ...["step", "tripled"],
      ...["step", "tripled"],
    ]);
    expect(both.events).toBe(4);
  });

  it("is over when it is closed", async () => {
    const f = engine.jit((x: Traced) => hook(mx.add(x, 1), "h"));
    const recording = record(engine, { path: at("closed.rec") });
    await f(1);
    recording.close();
    const { size } = await stat(at("closed.rec"));
    await f(2);
    recording.close();
    expect((await stat(at("closed.rec"))).size).toBe(size);
    expect(await read(at("closed.rec"))).toEqual([["h", [], 2]]);
  });

  it("tells runs, and nodes of one name, apart", async () => {
    const f = engine.jit((x: Traced, p: Traced) =>
      cond(
        p,
        () => hook(mx.add(x, 1), "h"),
        () => hook(mx.add(x, 2), "h"),
      ),
    );
    for (const [name, inputs] of [
      ["a.rec", [true, false]],
      ["b.rec", [false, false]],
    ] as const) {
      const recording = record(engine, { path: at(name) });
      for (const p of inputs) await f(1, p);
      recording.close();
    }
    // The branch that a took first is another hook than the one that b took.
    const found = await diffRecordings(at("a.rec"), at("b.rec"));
    expect(found.a).toMatchObject({
      runs: 2,
      alone: [{ title: "h", first: { ordinal: 0, run: 0 } }],
    });
    expect(found.b.alone).toMatchObject([{ title: "h", first: { ordinal: 1, run: 0 } }]);
    expect(found.titles).toMatchObject([{ title: "h", events: 1, differing: 0 }]);
  });

  it("keeps values that exceed the budget of hooks, while the run waits", async () => {
    const small = Engine.create({ lanes: 1, hookCredit: 64 * 1024 });
    const f = small.jit((x: Traced) => forLoop(50, x, (x) => hook(mx.add(x, 1), "h")));
    const recording = record(small, { path: at("large.rec") });
    await f(new Float32Array(10_000));
    recording.close();
    await small.close();
    const found = await read(at("large.rec"));
    expect(found).toHaveLength(50);
    found.forEach(([, path, value], index) => {
      expect(path).toEqual([index]);
      expect(new Set(value as number[])).toEqual(new Set([index + 1]));
    });
  });

  it("refuses a wrong match and leaves the file alone, or a wrong path", async () => {
    await writeFile(at("kept"), "kept");
    const wrong = { path: at("kept"), match: { lable: "x" } as never };
    expect(() => record(engine, wrong)).toThrow(/bad|match/);
    expect((await stat(at("kept"))).size).toBe(4);
    expect(() => record(engine, { path: at("no/such/folder") })).toThrow(DavitError);
  });

  it("tells when it is closed that its file could not be written", () => {
    const index = new URL("../../dist/index.js", import.meta.url);
    const script = `
      import { Engine, hook, mx, record } from "${index}";
      const engine = Engine.create({ lanes: 1 });
      const f = engine.jit((x) => hook(mx.add(x, 1), "h"));
      const recording = record(engine, { path: process.argv[1] });
      console.log(await (await f(1)).toArray());
      await f(new Float32Array(65536));
      try { recording.close(); } catch ({ code, message }) { console.log(code, message); }
      recording.close();
    `;
    // No file of this process may be longer than 64 blocks; a write that would make one longer fails.
    const limited = `trap "" XFSZ; ulimit -f 64; exec "$0" --input-type=module -e "$1" "$2"`;
    const printed = execFileSync("bash", ["-c", limited, process.execPath, script, at("full.rec")]);
    expect(String(printed)).toMatch(/^2\nfile_unreadable .*full\.rec: EFBIG/);
  });
});

describe("replay", () => {
  it("answers calls with what was recorded", async () => {
    let asked = 0;
    const f = engine.jit(asking(async () => ++asked * 100));
    const recording = record(engine, { path: at("calls.rec") });
    const first = await (await f(1)).toArray();
    const second = await (await f(1)).toArray();
    recording.close();
    expect([first, second, asked]).toEqual([301, 601, 6]);
    expect((await read(at("calls.rec"))).map(([, path, value]) => [path, value])).toEqual(
      [100, 200, 300, 400, 500, 600].map((value, index) => [[index % 3], value]),
    );
    const replayed = await replay(engine, at("calls.rec"));
    expect(await (await f(1)).toArray()).toBe(301);
    expect(await (await f(1)).toArray()).toBe(601);
    expect(asked).toBe(6);
    expect(replayed.answered).toBe(6);
    await expect(f(1)).rejects.toMatchObject({
      code: "replay_missing",
      message: expect.stringMatching(
        /calls\.rec has no reply for the call ".*" \[0\] in run 3 of 2/,
      ),
    });
    await replayed.close();
    expect(await (await f(1)).toArray()).toBe(901);
  });

  it("gives nodes of one name their own replies, each time they are called", async () => {
    let asked = 0;
    const f = engine.jit((x: Traced) => {
      const ask = (value: Traced) => callback(value, "ask", [scalar])[0] as Traced;
      const once = ask(x);
      return [once, ask(once)];
    });
    engine.handle("ask", () => ++asked);
    const recording = record(engine, { path: at("named.rec"), match: { probe: "nothing" } });
    await f(0);
    recording.close();
    const replayed = await replay(engine, at("named.rec"));
    const [one, two] = await f(0);
    expect([await one?.toArray(), await two?.toArray(), asked]).toEqual([1, 2, 2]);
    await replayed.close();
  });

  it("names replies of other types", async () => {
    const ask = (dtype: "float32" | "int32") =>
      engine.jit((x: Traced) => callback(x, "typed", [{ dtype, shape: [] }])[0] as Traced);
    engine.handle("typed", () => 1);
    const recording = record(engine, { path: at("typed.rec") });
    await ask("float32")(0);
    recording.close();
    const replayed = await replay(engine, at("typed.rec"));
    await expect(ask("int32")(0)).rejects.toMatchObject({
      code: "reply_invalid",
      message: expect.stringMatching(
        /has \(float32\[\]\) for the call "typed"; expected \(int32\[\]\)/,
      ),
    });
    await replayed.close();
  });
});
